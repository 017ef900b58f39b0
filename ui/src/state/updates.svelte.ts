// New versions of HAPA, as the desktop tells of them.
import type { Host, UpdateStatus } from '../host';

export type { UpdateStatus };

/** How it is about them, and the verbs on that. */
export class Updates {
  readonly #host: Host;
  status = $state.raw<UpdateStatus>({ state: 'unannounced' });

  constructor(host: Host) {
    this.#host = host;
  }

  /** Whether there is one that nobody has installed. */
  get isAvailable(): boolean {
    return this.status.state === 'found';
  }

  /** Whether something is being done. */
  get isBusy(): boolean {
    return ['checking', 'downloading', 'installing'].includes(this.status.state);
  }

  /** Follows the desktop from now on. */
  async follow(): Promise<void> {
    try {
      await this.#host.onUpdateStatus((status) => (this.status = status));
      this.status = await this.#host.updateStatus();
    } catch {
      // A desktop that does not tell has nothing to update.
    }
  }

  /** Asks whether there is one. */
  check(): Promise<void> {
    return this.#host.checkForUpdate();
  }

  /** Puts it in the place of this one; HAPA starts again then. */
  install(): Promise<void> {
    return this.#host.installUpdate();
  }

  /** Gives up its download. */
  cancel(): Promise<void> {
    return this.#host.cancelUpdate();
  }
}
