// This computer as models use it: which of them were chosen, what they run on, and what memory they take.
import type { DetailedHealth, ModelItem } from '../api/client';
import type { Models } from './models.svelte';
import { sleep } from './activeModel.svelte';
import type { Sidecar } from './sidecar.svelte';

export type Device = DetailedHealth['devices'][number];
export type Memory = DetailedHealth['memory'];
export type { ModelItem };

/** What the API tells about the machine, for as long as somebody looks. The models in it are the library's. */
export class Hardware {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  readonly #models: Models;
  #health = $state.raw<DetailedHealth>();
  #failed = $state(false);
  #watching: AbortController | undefined;

  constructor(sidecar: Pick<Sidecar, 'api'>, library: Models) {
    this.#sidecar = sidecar;
    this.#models = library;
  }

  /** The models that were chosen to answer; undefined until the API has told. */
  get assigned(): readonly ModelItem[] | undefined {
    return this.#models.installed?.filter((model) => model.roles.length > 0);
  }

  /** The devices that models can run on, the best first. */
  get devices(): readonly Device[] {
    return this.#health?.devices ?? [];
  }

  /** The memory that models may take, and what they take at most. */
  get memory(): Memory | undefined {
    return this.#health?.memory;
  }

  /** Whether the API did not tell when it was last asked. */
  get failed(): boolean {
    return this.#failed || this.#models.failed;
  }

  /** Looks again and again until {@link stopPolling}. */
  startPolling(): void {
    this.stopPolling();
    const { signal } = (this.#watching = new AbortController());
    this.#models.startPolling();
    signal.addEventListener('abort', () => this.#models.stopPolling(), { once: true });
    void this.#poll(signal);
  }

  /** Looks no more. */
  stopPolling(): void {
    this.#watching?.abort();
  }

  async #poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const api = await this.#sidecar.api(signal);
        const health = await api.healthDetailed(signal);
        if (signal.aborted) return;
        this.#health = health;
        this.#failed = false;
      } catch {
        if (!signal.aborted) this.#failed = true;
      }
      await sleep(this.#models.pollInterval, signal);
    }
  }
}
