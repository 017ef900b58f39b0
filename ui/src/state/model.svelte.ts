// The model that answers: what it is, and how far it is loaded.
import type { Api, DetailedHealth } from '../api/client';
import { Watched } from './watched.svelte';

/** `unknown` until the API was asked. */
export type ModelState = 'unknown' | 'absent' | 'asleep' | 'loading' | 'ready' | 'failed';

/** How often is asked while the model loads, in milliseconds. */
const WHILE_LOADING = 400;
/** How long to wait after the API did not answer, and how often to try. */
const AFTER_SILENCE = 1000;
const TRIES = 10;

/** Asks the API about its model until it is clear how that is. */
export class Model {
  readonly #health = new Watched<DetailedHealth | undefined>(undefined);
  #asking: AbortController | undefined;

  get state(): ModelState {
    return stateOf(this.#health.value);
  }

  /** The model file's name without its ending, once it is loaded. */
  get name(): string | undefined {
    return this.#health.value?.model.name ?? undefined;
  }

  /** Where it runs, such as `CPU (zen4)`. */
  get device(): string | undefined {
    return this.#health.value?.backend.device ?? undefined;
  }

  /** The share that is in memory while it loads, 0 to 1. */
  get progress(): number | undefined {
    return this.#health.value?.model.progress ?? undefined;
  }

  /** Why it failed, in the API's words. */
  get message(): string | undefined {
    return this.#health.value?.model.message ?? undefined;
  }

  /**
   * Asks until the model is loaded, absent or failed, at intervals; one that sleeps is waited for only if it was `woken`. A newer
   * call ends an older one.
   */
  async follow(api: Api, woken = false): Promise<void> {
    this.#asking?.abort();
    const { signal } = (this.#asking = new AbortController());
    this.#health.value = undefined;
    for (let silences = 0; silences < TRIES; ) {
      try {
        const health = await api.healthDetailed(signal);
        if (signal.aborted) return;
        this.#health.value = health;
        silences = 0;
        if (!isOnItsWay(health, woken)) return;
        await pause(WHILE_LOADING, signal);
      } catch {
        if (signal.aborted) return;
        silences += 1;
        await pause(AFTER_SILENCE, signal);
      }
      if (signal.aborted) return;
    }
  }

  /** Waits until the model is no longer on its way. Rejects when `signal` is aborted. */
  async settled(api: Api, signal: AbortSignal): Promise<ModelState> {
    if (this.state !== 'loading') void this.follow(api, true);
    const known = (health: DetailedHealth | undefined): health is DetailedHealth =>
      health !== undefined && !isOnItsWay(health, true);
    return stateOf(await this.#health.until(known, signal));
  }
}

/** Whether waiting brings a model: it loads, or it was woken. */
function isOnItsWay(health: DetailedHealth, woken: boolean): boolean {
  const state = stateOf(health);
  return state === 'loading' || (woken && state === 'asleep');
}

function stateOf(health: DetailedHealth | undefined): ModelState {
  return (health?.model.state as ModelState | undefined) ?? 'unknown';
}

/** Resolves after `ms`, or at once when `signal` is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
