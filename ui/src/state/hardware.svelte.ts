// Hardware status: devices, memory budget and assigned models.
import type { DetailedHealth, ModelItem } from '../api/client';
import type { Models } from './models.svelte';
import { poll } from '../lib/poll';
import type { Sidecar } from './sidecar.svelte';

export type Device = DetailedHealth['devices'][number];
export type Memory = DetailedHealth['memory'];
export type { ModelItem };

/** Hardware status while it is polled. The models come from {@link Models}. */
export class Hardware {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  readonly #models: Models;
  #health = $state.raw<DetailedHealth>();
  #error = $state.raw<Error>();
  #polling: AbortController | undefined;

  constructor(sidecar: Pick<Sidecar, 'api'>, models: Models) {
    this.#sidecar = sidecar;
    this.#models = models;
  }

  /** Models with a role; undefined until loaded. */
  get assigned(): readonly ModelItem[] | undefined {
    return this.#models.installed?.filter((model) => model.roles.length > 0);
  }

  /** The devices that models can run on, best first. */
  get devices(): readonly Device[] {
    return this.#health?.devices ?? [];
  }

  /** The memory budget, and its use. */
  get memory(): Memory | undefined {
    return this.#health?.memory;
  }

  /** Whether the last poll failed. */
  get failed(): boolean {
    return this.#error !== undefined || this.#models.failed;
  }

  /** Polls until {@link stopPolling}. */
  startPolling(): void {
    this.stopPolling();
    const { signal } = (this.#polling = new AbortController());
    this.#models.startPolling();
    signal.addEventListener('abort', () => this.#models.stopPolling(), { once: true });
    void poll({
      signal,
      interval: () => this.#models.pollInterval,
      fetch: async (signal) => (await this.#sidecar.api(signal)).healthDetailed(signal),
      apply: (health) => ([this.#health, this.#error] = [health, undefined]),
      onerror: (error) => (this.#error = error),
    });
  }

  /** Stops polling. */
  stopPolling(): void {
    this.#polling?.abort();
  }
}
