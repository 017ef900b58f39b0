// Engine pause: unloads every model, and the engine state that the tray shows.
import { attempt } from '../lib/attempt';
import type { EngineState, Host } from '../host';
import type { ActiveModel } from './activeModel.svelte';
import type { Sidecar } from './sidecar.svelte';

/** Timeout of a command, in milliseconds. */
const TIMEOUT_MS = 20_000;

/** Pauses and resumes. A question asked while paused loads the model, which ends the pause. */
export class EnginePause {
  readonly #sidecar: Sidecar;
  readonly #activeModel: ActiveModel;
  /** The wake count when the user paused. */
  #wakeCountAtPause = $state<number>();
  #error = $state.raw<Error>();

  constructor(sidecar: Sidecar, activeModel: ActiveModel) {
    this.#sidecar = sidecar;
    this.#activeModel = activeModel;
  }

  /** Whether the user has paused, and no model was requested since. */
  get paused(): boolean {
    return this.#wakeCountAtPause === this.#activeModel.wakeCount && this.#activeModel.state === 'asleep';
  }

  /** Whether the last command failed. */
  get failed(): boolean {
    return this.#error !== undefined;
  }

  /** The engine's state. A model that was unloaded when idle counts as ready: a question loads it. */
  get state(): EngineState {
    const { state } = this.#sidecar.status;
    if (state !== 'ready') return state === 'failed' ? 'failed' : 'starting';
    if (this.paused) return 'paused';
    const engineStates = { unknown: 'starting', absent: 'absent', asleep: 'ready', loading: 'loading', ready: 'ready', failed: 'failed' } as const;
    return engineStates[this.#activeModel.state];
  }

  /** Executes the commands of the tray menu. */
  followTray(host: Host): Promise<void> {
    return host.onEngineCommand((command) => void (command === 'pause' ? this.pause() : this.resume()));
  }

  /** Unloads every model. Running answers are finished first. */
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

  /** Loads the models again. */
  resume(): Promise<void> {
    return this.#run(async (signal) => {
      const api = await this.#sidecar.api(signal);
      const [{ models }, { settings }] = await Promise.all([api.models(signal), api.settings(signal)]);
      const asleep = models.filter(({ state }) => state === 'asleep');
      const first = asleep.find(({ roles }) => roles.includes('chat')) ?? asleep[0];
      if (first) {
        const role = first.roles.includes('chat') ? 'chat' : 'completion';
        // Loading one wakes all. It also assigns that model, which is undone if no model was assigned before.
        await api.loadModel(first.id, role, signal);
        if (role === 'chat' && !settings.chat_model) await api.changeSettings({ chat_model: null }, signal);
      }
      this.#wakeCountAtPause = undefined;
      void this.#activeModel.follow(api, true);
    });
  }

  async #run(command: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#error = undefined;
    this.#error = await attempt(() => command(AbortSignal.timeout(TIMEOUT_MS)));
  }
}
