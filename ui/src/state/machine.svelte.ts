// This computer as models use it: which of them are there, where they run, and what memory they take.
import type { DetailedHealth, ModelItem } from '../api/client';
import { pause } from './model.svelte';
import type { Sidecar } from './sidecar.svelte';

export type Device = DetailedHealth['devices'][number];
export type Memory = DetailedHealth['memory'];
export type { ModelItem };

/** How often is looked, in milliseconds: while a model loads, and while none does. */
const WHILE_LOADING = 500;
const OTHERWISE = 4000;

interface Seen {
  models: readonly ModelItem[];
  devices: readonly Device[];
  memory: Memory;
}

/** What the API tells about the machine, for as long as somebody looks. */
export class Machine {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  #seen = $state.raw<Seen>();
  #failed = $state(false);
  #watching: AbortController | undefined;

  constructor(sidecar: Pick<Sidecar, 'api'>) {
    this.#sidecar = sidecar;
  }

  /** The models that were chosen to answer; undefined until the API has told. */
  get models(): readonly ModelItem[] | undefined {
    return this.#seen?.models;
  }

  /** The devices that models can run on, the best first. */
  get devices(): readonly Device[] {
    return this.#seen?.devices ?? [];
  }

  /** The memory that models may take, and what they take at most. */
  get memory(): Memory | undefined {
    return this.#seen?.memory;
  }

  /** Whether the API did not tell when it was last asked. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Looks again and again until {@link rest}. */
  async watch(): Promise<void> {
    this.rest();
    const { signal } = (this.#watching = new AbortController());
    while (!signal.aborted) {
      await this.#look(signal);
      const isLoading = this.models?.some((model) => model.state === 'loading');
      await pause(isLoading ? WHILE_LOADING : OTHERWISE, signal);
    }
  }

  /** Looks no more. */
  rest(): void {
    this.#watching?.abort();
  }

  async #look(signal: AbortSignal): Promise<void> {
    try {
      const api = await this.#sidecar.api(signal);
      const [{ devices, memory }, { models }] = await Promise.all([api.healthDetailed(signal), api.models(signal)]);
      if (signal.aborted) return;
      this.#seen = { models: models.filter((model) => model.roles.length > 0), devices, memory };
      this.#failed = false;
    } catch {
      if (!signal.aborted) this.#failed = true;
    }
  }
}
