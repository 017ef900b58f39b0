// Desktop integration: preferences, capabilities and notifications.
import type { Capabilities, DesktopPreferences, Host } from '../host';

export type { Capabilities as Abilities, DesktopPreferences as Choices };

/** Dismissed limitations, separated by spaces. */
const STORAGE_KEY = 'hapa.said';

/** A missing capability of the desktop. */
export type Limitation = 'tray' | 'shortcut' | 'shortcut-taken';

/** The result of the last change. */
export type Outcome = 'saving' | 'saved' | 'failed' | 'taken';

/** The desktop preferences, each applied at once. */
export class Desktop {
  readonly #host: Host;
  readonly #storage: Storage;
  preferences = $state.raw<DesktopPreferences>();
  capabilities = $state.raw<Capabilities>();
  startsAtLogin = $state<boolean>();
  outcome = $state<Outcome>();
  #dismissed = $state.raw<readonly string[]>([]);

  constructor(host: Host, storage: Storage) {
    this.#host = host;
    this.#storage = storage;
    this.#dismissed = (storage.getItem(STORAGE_KEY) ?? '').split(' ').filter((name) => name !== '');
  }

  /** Whether the window runs in the desktop app. */
  get isAvailable(): boolean {
    return this.#host.isDesktop;
  }

  /** Missing capabilities that were not dismissed. */
  get limitations(): readonly Limitation[] {
    const { tray, shortcut } = this.capabilities ?? { tray: true, shortcut: 'works' };
    const missing: Limitation[] = [];
    if (!tray) missing.push('tray');
    if (shortcut !== 'works') missing.push(shortcut === 'taken' ? 'shortcut-taken' : 'shortcut');
    return missing.filter((limitation) => !this.#dismissed.includes(limitation));
  }

  /** Dismisses the current limitations for good. */
  dismissLimitations(): void {
    this.#dismissed = [...this.#dismissed, ...this.limitations];
    this.#storage.setItem(STORAGE_KEY, this.#dismissed.join(' '));
  }

  /** Loads everything. If the desktop app does not respond, nothing is shown. */
  async load(): Promise<void> {
    if (!this.isAvailable) return;
    try {
      const host = this.#host;
      [this.preferences, this.capabilities, this.startsAtLogin] = await Promise.all([host.desktopPreferences(), host.capabilities(), host.startsAtLogin()]);
    } catch {
      this.outcome = 'failed';
    }
  }

  /** Changes preferences. A shortcut that cannot be registered is dropped. */
  update(change: Partial<DesktopPreferences>): Promise<void> {
    return this.#run(async () => {
      this.preferences = await this.#host.updateDesktopPreferences(change);
      this.capabilities = await this.#host.capabilities();
      return change.shortcut === undefined || change.shortcut === this.preferences.shortcut;
    });
  }

  /** Sets whether HAPA starts at login. */
  setStartAtLogin(on: boolean): Promise<void> {
    return this.#run(async () => {
      await this.#host.setStartAtLogin(on);
      this.startsAtLogin = await this.#host.startsAtLogin();
      return true;
    });
  }

  async #run(command: () => Promise<boolean>): Promise<void> {
    this.outcome = 'saving';
    try {
      this.outcome = (await command()) ? 'saved' : 'taken';
    } catch {
      this.outcome = 'failed';
    }
  }
}
