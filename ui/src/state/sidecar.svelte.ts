// The sidecar's status, and its API while it is ready.
import { connect, type Api } from '../api/client';
import type { Host, SidecarStatus } from '../host';
import { Observable } from './observable.svelte';

/** The sidecar was given up; only the user can restart it. */
export class SidecarFailed extends Error {}

/** How long the recovery notice is shown, in milliseconds. */
const RECOVERED_NOTICE_MS = 8000;

/** Follows the status reports of the host. */
export class Sidecar {
  readonly #status = new Observable<SidecarStatus>({ state: 'starting' });
  readonly #host: Host;
  readonly #connect: (baseUrl: string, key: string) => Api;
  #recovered = $state(false);
  #connection: { to: string; api: Api } | undefined;

  /** `language` is the language of the API's error messages. */
  constructor(host: Host, fetch: typeof globalThis.fetch, language: () => string) {
    this.#host = host;
    this.#connect = (baseUrl, key) => connect(baseUrl, key, fetch, language);
  }

  get status(): SidecarStatus {
    return this.#status.value;
  }

  /** Whether it has just recovered from a crash. */
  get recovered(): boolean {
    return this.#recovered;
  }

  /** Starts to follow; `onready` receives the API of each new connection. */
  async follow(onready: (api: Api) => void): Promise<void> {
    let reported = false;
    const apply = (status: SidecarStatus) => {
      reported = true;
      const api = status.state === 'ready' ? this.#apiOf(status) : undefined;
      const isNew = api !== undefined && api !== this.#connection?.api;
      if (isNew && this.#connection) this.#showRecovered();
      if (status.state === 'ready' && api) this.#connection = { to: connectionId(status), api };
      this.#status.value = status;
      if (isNew) onready(api);
    };
    await this.#host.onSidecarStatus(apply);
    const current = await this.#host.sidecarStatus();
    // A report that arrived meanwhile is newer.
    if (!reported) apply(current);
  }

  /** The API, once the sidecar is ready. Throws {@link SidecarFailed} if it was given up. */
  async api(signal: AbortSignal): Promise<Api> {
    const isSettled = (status: SidecarStatus): status is Extract<SidecarStatus, { state: 'ready' | 'failed' }> =>
      status.state === 'ready' || status.state === 'failed';
    const status = await this.#status.until(isSettled, signal);
    if (status.state === 'failed') throw new SidecarFailed(status.reason);
    return this.#apiOf(status);
  }

  /** Restarts the sidecar. */
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

/** Identifies a connection to one run of the sidecar. */
function connectionId(status: Extract<SidecarStatus, { state: 'ready' }>): string {
  return [status.base_url, status.key, status.restarts].join(' ');
}
