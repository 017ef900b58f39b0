// The sidecar as the window sees it: how it is, and the API while there is one.
import { connect, type Api } from '../api/client';
import type { Host, SidecarStatus } from '../host';
import { Observable } from './observable.svelte';

/** The sidecar was given up; only its user can start it again. */
export class SidecarFailed extends Error {}

/** How long it is said that the sidecar is back, in milliseconds. */
const RECOVERED_NOTICE_MS = 8000;

/** Follows the host's reports. */
export class Sidecar {
  readonly #status = new Observable<SidecarStatus>({ state: 'starting' });
  readonly #host: Host;
  readonly #connect: (baseUrl: string, key: string) => Api;
  #recovered = $state(false);
  #connection: { to: string; api: Api } | undefined;

  /** `language` is the one that the API words its errors in. */
  constructor(host: Host, fetch: typeof globalThis.fetch, language: () => string) {
    this.#host = host;
    this.#connect = (baseUrl, key) => connect(baseUrl, key, fetch, language);
  }

  get status(): SidecarStatus {
    return this.#status.value;
  }

  /** Whether it has just come back after it had ended. */
  get recovered(): boolean {
    return this.#recovered;
  }

  /** Begins to follow; `onready` gets the API each time that there is a new one. */
  async follow(onready: (api: Api) => void): Promise<void> {
    let heard = false;
    const take = (status: SidecarStatus) => {
      heard = true;
      const api = status.state === 'ready' ? this.#apiOf(status) : undefined;
      const isNew = api !== undefined && api !== this.#connection?.api;
      if (isNew && this.#connection) this.#showRecovered();
      if (status.state === 'ready' && api) this.#connection = { to: connectionId(status), api };
      this.#status.value = status;
      if (isNew) onready(api);
    };
    await this.#host.onSidecarStatus(take);
    const now = await this.#host.sidecarStatus();
    // A report that came meanwhile is newer than this answer.
    if (!heard) take(now);
  }

  /** The API, once there is one. Throws {@link SidecarFailed} if it was given up. */
  async api(signal: AbortSignal): Promise<Api> {
    const settled = (status: SidecarStatus): status is Extract<SidecarStatus, { state: 'ready' | 'failed' }> =>
      status.state === 'ready' || status.state === 'failed';
    const status = await this.#status.until(settled, signal);
    if (status.state === 'failed') throw new SidecarFailed(status.reason);
    return this.#apiOf(status);
  }

  /** Starts it again. */
  async restart(): Promise<void> {
    await this.#host.restartSidecar();
  }

  #showRecovered(): void {
    this.#recovered = true;
    setTimeout(() => (this.#recovered = false), RECOVERED_NOTICE_MS);
  }

  #apiOf(status: Extract<SidecarStatus, { state: 'ready' }>): Api {
    if (this.#connection?.to === connectionId(status)) return this.#connection.api;
    return this.#connect(status.base_url, status.key);
  }
}

/** Two sidecars are the same connection if this is the same. */
function connectionId(status: Extract<SidecarStatus, { state: 'ready' }>): string {
  return [status.base_url, status.key, status.restarts].join(' ');
}
