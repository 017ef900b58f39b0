// The engine as a whole: what the tray shows of it, and pausing it, which takes every model out of memory.
import type { EngineState, Host } from '../host';
import type { ActiveModel } from './activeModel.svelte';
import type { Sidecar } from './sidecar.svelte';

/** How long an order may take, in milliseconds. */
const TIMEOUT_MS = 20_000;

/** Pauses and resumes. A question that is asked while it is paused wakes the model, and ends the pause. */
export class EnginePause {
  readonly #sidecar: Sidecar;
  readonly #activeModel: ActiveModel;
  /** How often models had been woken when the user paused. */
  #wakeCountAtPause = $state<number>();
  #failed = $state(false);

  constructor(sidecar: Sidecar, model: ActiveModel) {
    this.#sidecar = sidecar;
    this.#activeModel = model;
  }

  /** Whether the user has paused it, and nobody has woken it since. */
  get paused(): boolean {
    return this.#wakeCountAtPause === this.#activeModel.wakeCount && this.#activeModel.state === 'asleep';
  }

  /** Whether the last order could not be followed. */
  get failed(): boolean {
    return this.#failed;
  }

  /** What it is doing, in one word. A model that sleeps by itself is ready: a question wakes it. */
  get state(): EngineState {
    const { state } = this.#sidecar.status;
    if (state !== 'ready') return state === 'failed' ? 'failed' : 'starting';
    if (this.paused) return 'paused';
    const states = { unknown: 'starting', absent: 'absent', asleep: 'ready', loading: 'loading', ready: 'ready', failed: 'failed' } as const;
    return states[this.#activeModel.state];
  }

  /** Follows what the tray's menu asks for. */
  followTray(host: Host): Promise<void> {
    return host.onEngineCommand((order) => void (order === 'pause' ? this.pause() : this.resume()));
  }

  /** Takes every model out of memory. What is being written is finished first. */
  pause(): Promise<void> {
    return this.#run(async (signal) => {
      const api = await this.#sidecar.api(signal);
      const { models } = await api.models(signal);
      const inMemory = models.filter(({ state }) => state === 'ready' || state === 'loading');
      for (const { id } of inMemory) await api.unloadModel(id, signal);
      await this.#activeModel.waitUntilUnloaded(api, signal);
      this.#wakeCountAtPause = this.#activeModel.wakeCount;
    });
  }

  /** Brings the models back. */
  resume(): Promise<void> {
    return this.#run(async (signal) => {
      const api = await this.#sidecar.api(signal);
      const [{ models }, { settings }] = await Promise.all([api.models(signal), api.settings(signal)]);
      const asleep = models.filter(({ state }) => state === 'asleep');
      const first = asleep.find(({ roles }) => roles.includes('chat')) ?? asleep[0];
      if (first) {
        const role = first.roles.includes('chat') ? 'chat' : 'completion';
        // To load one wakes all that sleep. It is a choice too, which is taken back where nobody had chosen.
        await api.loadModel(first.id, role, signal);
        if (role === 'chat' && !settings.chat_model) await api.changeSettings({ chat_model: null }, signal);
      }
      this.#wakeCountAtPause = undefined;
      void this.#activeModel.follow(api, true);
    });
  }

  async #run(act: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#failed = false;
    try {
      await act(AbortSignal.timeout(TIMEOUT_MS));
    } catch {
      this.#failed = true;
    }
  }
}
