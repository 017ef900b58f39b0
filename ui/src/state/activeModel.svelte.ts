// Who answers: the model here or the server elsewhere, what it is, and how far it is loaded.
import type { Api, DetailedHealth } from '../api/client';
import type { Sidecar } from './sidecar.svelte';
import { Observable } from './observable.svelte';

/** `unknown` until the API was asked, or has looked at the server elsewhere. */
export type ModelState = 'unknown' | 'absent' | 'asleep' | 'loading' | 'ready' | 'failed';

/** How often is asked while the model loads, in milliseconds; and while a server elsewhere does not answer. */
const LOADING_POLL_MS = 400;
const REMOTE_DOWN_POLL_MS = 5000;
const ABSENT_POLL_MS = 1000;
/** How long to wait after the API did not answer, and how often to try. */
const RETRY_MS = 1000;
const MAX_FAILURES = 10;

/** Asks the API about its model until it is clear how that is. */
export class ActiveModel {
  readonly #health = new Observable<DetailedHealth | undefined>(undefined);
  #polling: AbortController | undefined;
  #wakeCount = $state(0);

  get state(): ModelState {
    return stateOf(this.#health.value);
  }

  /** Whether a server elsewhere answers, not the model here. */
  get remote(): boolean {
    return isRemote(this.#health.value);
  }

  /** Whether questions may leave this computer; undefined until that is known. */
  get mayUseRemote(): boolean | undefined {
    const health = this.#health.value;
    return health && health.remote.policy !== 'local_only';
  }

  /** The model's name: that of its file without the ending once it is loaded, or the server's name for it. */
  get name(): string | undefined {
    const health = this.#health.value;
    return (this.remote ? health?.remote.model : health?.model.name) ?? undefined;
  }

  /** Where the model here runs, such as `CPU (zen4)`. */
  get device(): string | undefined {
    return this.remote ? undefined : (this.#health.value?.backend.device ?? undefined);
  }

  /** The share that is in memory while it loads, 0 to 1. */
  get progress(): number | undefined {
    return this.#health.value?.model.progress ?? undefined;
  }

  /** How often somebody asked here for a model that slept. */
  get wakeCount(): number {
    return this.#wakeCount;
  }

  /** Why it failed, in the API's words. */
  get message(): string | undefined {
    const health = this.#health.value;
    return (this.remote ? health?.remote.message : health?.model.message) ?? undefined;
  }

  /**
   * Asks until the model is loaded, absent or failed, at intervals; one that sleeps is waited for only if it was `woken`, and a
   * server elsewhere that does not answer always. A newer call ends an older one.
   */
  async follow(api: Api, woken = false): Promise<void> {
    this.#health.value = undefined;
    await this.#poll(api, woken);
  }

  /** Asks once more, since something may have changed, and goes on while a model loads. Where nobody answers, what is known stays. */
  async refresh(api: Api): Promise<void> {
    try {
      const health = await api.healthDetailed();
      this.#health.value = health;
      if (isPending(health, false)) void this.#poll(api, false);
    } catch {
      // Whoever needs an answer will hear of it.
    }
  }

  /** Waits until there is a model, however it comes: downloaded, brought, or elsewhere. Rejects when `signal` is aborted. */
  async waitUntilAvailable(sidecar: Pick<Sidecar, 'api'>, signal: AbortSignal): Promise<ModelState> {
    for (;;) {
      const api = await sidecar.api(signal);
      await this.refresh(api);
      if (this.state !== 'absent' && this.state !== 'unknown') return this.waitUntilSettled(api, signal);
      await sleep(ABSENT_POLL_MS, signal);
      signal.throwIfAborted();
    }
  }

  /** Waits until the model is no longer on its way. Rejects when `signal` is aborted. */
  async waitUntilSettled(api: Api, signal: AbortSignal): Promise<ModelState> {
    if (this.state !== 'loading') void this.follow(api, true);
    const known = (health: DetailedHealth | undefined): health is DetailedHealth =>
      health !== undefined && !isPending(health, true);
    return stateOf(await this.#health.until(known, signal));
  }

  async #poll(api: Api, woken: boolean): Promise<void> {
    this.#polling?.abort();
    if (woken) this.#wakeCount += 1;
    const { signal } = (this.#polling = new AbortController());
    for (let silences = 0; silences < MAX_FAILURES; ) {
      try {
        const health = await api.healthDetailed(signal);
        if (signal.aborted) return;
        this.#health.value = health;
        silences = 0;
        const down = isRemote(health) && stateOf(health) === 'failed';
        if (!down && !isPending(health, woken)) return;
        await sleep(down ? REMOTE_DOWN_POLL_MS : LOADING_POLL_MS, signal);
      } catch {
        if (signal.aborted) return;
        silences += 1;
        await sleep(RETRY_MS, signal);
      }
      if (signal.aborted) return;
    }
  }

  /** Asks until the model is not in memory any more. Rejects when `signal` is aborted. */
  async waitUntilUnloaded(api: Api, signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.refresh(api);
      // It may not have begun to leave.
      this.#polling?.abort();
      if (this.state !== 'ready' && this.state !== 'loading') return;
      await sleep(LOADING_POLL_MS, signal);
      signal.throwIfAborted();
    }
  }
}

/** Whether waiting brings a model: it loads, or it was woken, or the server elsewhere is being looked at. */
function isPending(health: DetailedHealth, woken: boolean): boolean {
  const state = stateOf(health);
  return state === 'loading' || state === 'unknown' || (woken && state === 'asleep');
}

/** Whether the server elsewhere answers: always, or because the model here cannot. */
function isRemote(health: DetailedHealth | undefined): boolean {
  if (health?.remote.policy === 'local_then_remote') return ['absent', 'failed'].includes(health.model.state);
  return health?.remote.policy === 'remote';
}

function stateOf(health: DetailedHealth | undefined): ModelState {
  if (!health) return 'unknown';
  if (!isRemote(health)) return health.model.state as ModelState;
  return { up: 'ready', down: 'failed' }[health.remote.state] as ModelState | undefined ?? 'unknown';
}

/** Resolves after `ms`, or at once when `signal` is aborted. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
