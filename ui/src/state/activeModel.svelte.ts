// The active chat model: local or remote, its name, and its load state.
import type { Api, DetailedHealth } from '../api/client';
import { poll, sleep } from '../lib/poll';
import type { Sidecar } from './sidecar.svelte';
import { Observable } from './observable.svelte';

/** `unknown` until the API has reported it, or has probed the remote server. */
export type ModelState = 'unknown' | 'absent' | 'asleep' | 'loading' | 'ready' | 'failed';

/** Poll intervals in milliseconds: while the model loads, while the remote server is down, and while there is no model. */
const LOADING_POLL_MS = 400;
const REMOTE_DOWN_POLL_MS = 5000;
const ABSENT_POLL_MS = 1000;
/** Delay after a failed poll, in milliseconds, and how many failures in a row end polling. */
const RETRY_MS = 1000;
const MAX_FAILURES = 10;

/** Polls the API until the model's state is settled. */
export class ActiveModel {
  readonly #health = new Observable<DetailedHealth | undefined>(undefined);
  #polling: AbortController | undefined;
  #wakeCount = $state(0);

  get state(): ModelState {
    return stateOf(this.#health.value);
  }

  /** Whether the remote server answers instead of the local model. */
  get remote(): boolean {
    return isRemote(this.#health.value);
  }

  /** Whether questions may be sent to the remote server; undefined until known. */
  get mayUseRemote(): boolean | undefined {
    const health = this.#health.value;
    return health && health.remote.policy !== 'local_only';
  }

  /** The model's name: its file name without the extension once loaded, or the remote server's name for it. */
  get name(): string | undefined {
    const health = this.#health.value;
    return (this.remote ? health?.remote.model : health?.model.name) ?? undefined;
  }

  /** The device of the local model, such as `CPU (zen4)`. */
  get device(): string | undefined {
    return this.remote ? undefined : (this.#health.value?.backend.device ?? undefined);
  }

  /** Load progress, 0 to 1. */
  get progress(): number | undefined {
    return this.#health.value?.model.progress ?? undefined;
  }

  /** How often an unloaded model was requested from this window. */
  get wakeCount(): number {
    return this.#wakeCount;
  }

  /** The error message of the API, if it failed. */
  get message(): string | undefined {
    const health = this.#health.value;
    return (this.remote ? health?.remote.message : health?.model.message) ?? undefined;
  }

  /**
   * Polls until the model is ready, absent or failed. An unloaded model is waited for only if it was `requested`; a remote server that
   * is down is polled forever. A newer call cancels an older one.
   */
  async follow(api: Api, requested = false): Promise<void> {
    this.#health.value = undefined;
    await this.#poll(api, requested);
  }

  /** Refreshes once, and polls on while a model loads. The last known state is kept if the API does not respond. */
  async refresh(api: Api): Promise<void> {
    try {
      const health = await api.healthDetailed();
      this.#health.value = health;
      if (isPending(health, false)) void this.#poll(api, false);
    } catch {
      // A request that needs the model reports the failure.
    }
  }

  /** Waits until a model is available: downloaded, imported or remote. Rejects when `signal` is aborted. */
  async waitUntilAvailable(sidecar: Pick<Sidecar, 'api'>, signal: AbortSignal): Promise<ModelState> {
    for (;;) {
      const api = await sidecar.api(signal);
      await this.refresh(api);
      if (this.state !== 'absent' && this.state !== 'unknown') return this.waitUntilSettled(api, signal);
      await sleep(ABSENT_POLL_MS, signal);
      signal.throwIfAborted();
    }
  }

  /** Waits until the model is no longer pending. Rejects when `signal` is aborted. */
  async waitUntilSettled(api: Api, signal: AbortSignal): Promise<ModelState> {
    if (this.state !== 'loading') void this.follow(api, true);
    const isSettled = (health: DetailedHealth | undefined): health is DetailedHealth =>
      health !== undefined && !isPending(health, true);
    return stateOf(await this.#health.until(isSettled, signal));
  }

  async #poll(api: Api, requested: boolean): Promise<void> {
    this.#polling?.abort();
    if (requested) this.#wakeCount += 1;
    const { signal } = (this.#polling = new AbortController());
    let failures = 0;
    let interval: number | undefined;
    await poll({
      signal,
      interval: () => interval,
      fetch: (signal) => api.healthDetailed(signal),
      apply: (health) => {
        this.#health.value = health;
        failures = 0;
        const isRemoteDown = isRemote(health) && stateOf(health) === 'failed';
        interval = isRemoteDown ? REMOTE_DOWN_POLL_MS : isPending(health, requested) ? LOADING_POLL_MS : undefined;
      },
      onerror: () => {
        failures += 1;
        interval = failures < MAX_FAILURES ? RETRY_MS : undefined;
      },
    });
  }

  /** Waits until the model is no longer in memory. Rejects when `signal` is aborted. */
  async waitUntilUnloaded(api: Api, signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.refresh(api);
      // Unloading may not have started yet.
      this.#polling?.abort();
      if (this.state !== 'ready' && this.state !== 'loading') return;
      await sleep(LOADING_POLL_MS, signal);
      signal.throwIfAborted();
    }
  }
}

/** Whether waiting helps: the model is loading, it was requested, or the remote server is being probed. */
function isPending(health: DetailedHealth, requested: boolean): boolean {
  const state = stateOf(health);
  return state === 'loading' || state === 'unknown' || (requested && state === 'asleep');
}

/** Whether the remote server answers: always, or because the local model cannot. */
function isRemote(health: DetailedHealth | undefined): boolean {
  if (health?.remote.policy === 'local_then_remote') return ['absent', 'failed'].includes(health.model.state);
  return health?.remote.policy === 'remote';
}

function stateOf(health: DetailedHealth | undefined): ModelState {
  if (!health) return 'unknown';
  if (!isRemote(health)) return health.model.state as ModelState;
  return { up: 'ready', down: 'failed' }[health.remote.state] as ModelState | undefined ?? 'unknown';
}
