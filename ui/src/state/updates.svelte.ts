// Updates of HAPA, as reported by the desktop app.
import type { Host, UpdateStatus } from '../host';

export type { UpdateStatus };

/** The update status, and the commands on it. */
export class Updates {
  readonly #host: Host;
  status = $state.raw<UpdateStatus>({ state: 'unannounced' });

  constructor(host: Host) {
    this.#host = host;
  }

  /** Whether an update is available. */
  get isAvailable(): boolean {
    return this.status.state === 'found';
  }

  /** Whether a command is running. */
  get isBusy(): boolean {
    return ['checking', 'downloading', 'installing'].includes(this.status.state);
  }

  /** Follows the desktop app's reports. */
  async follow(): Promise<void> {
    try {
      await this.#host.onUpdateStatus((status) => (this.status = status));
      this.status = await this.#host.updateStatus();
    } catch {
      // A host without updates.
    }
  }

  /** Checks for an update. */
  check(): Promise<void> {
    return this.#host.checkForUpdate();
  }

  /** Installs the update; HAPA restarts then. */
  install(): Promise<void> {
    return this.#host.installUpdate();
  }

  /** Cancels the download. */
  cancel(): Promise<void> {
    return this.#host.cancelUpdate();
  }
}
