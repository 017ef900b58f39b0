// This computer as models use it: which of them were chosen, what they run on, and what memory they take.
import type { DetailedHealth, ModelItem } from '../api/client';
import type { Library } from './library.svelte';
import { pause } from './model.svelte';
import type { Sidecar } from './sidecar.svelte';

export type Device = DetailedHealth['devices'][number];
export type Memory = DetailedHealth['memory'];
export type { ModelItem };

/** What the API tells about the machine, for as long as somebody looks. The models in it are the library's. */
export class Machine {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  readonly #library: Library;
  #health = $state.raw<DetailedHealth>();
  #failed = $state(false);
  #watching: AbortController | undefined;

  constructor(sidecar: Pick<Sidecar, 'api'>, library: Library) {
    this.#sidecar = sidecar;
    this.#library = library;
  }

  /** The models that were chosen to answer; undefined until the API has told. */
  get models(): readonly ModelItem[] | undefined {
    return this.#library.models?.filter((model) => model.roles.length > 0);
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
    return this.#failed || this.#library.failed;
  }

  /** Looks again and again until {@link rest}. */
  watch(): void {
    this.rest();
    const { signal } = (this.#watching = new AbortController());
    this.#library.watch();
    signal.addEventListener('abort', () => this.#library.rest(), { once: true });
    void this.#lookAgainAndAgain(signal);
  }

  /** Looks no more. */
  rest(): void {
    this.#watching?.abort();
  }

  async #lookAgainAndAgain(signal: AbortSignal): Promise<void> {
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
      await pause(this.#library.interval, signal);
    }
  }
}
