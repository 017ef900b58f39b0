// HAPA as a program of this desktop: what is chosen about that, and what the desktop can do.
import type { Capabilities, DesktopPreferences, Host } from '../host';

export type { Capabilities as Abilities, DesktopPreferences as Choices };

/** Names of what was said once and need not be said again. */
const STORAGE_KEY = 'hapa.said';

/** What the desktop lacks. */
export type Limitation = 'tray' | 'shortcut' | 'shortcut-taken';

/** What came of the last change. */
export type Outcome = 'saving' | 'saved' | 'failed' | 'taken';

/** The choices, each in force at once. */
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

  /** Whether there is a desktop to speak of. */
  get isAvailable(): boolean {
    return this.#host.isDesktop;
  }

  /** What the desktop lacks, as far as it was not said before. */
  get limitations(): readonly Limitation[] {
    const { tray, shortcut } = this.capabilities ?? { tray: true, shortcut: 'works' };
    const lacks: Limitation[] = [];
    if (!tray) lacks.push('tray');
    if (shortcut !== 'works') lacks.push(shortcut === 'taken' ? 'shortcut-taken' : 'shortcut');
    return lacks.filter((lack) => !this.#dismissed.includes(lack));
  }

  /** What is lacking was read, and is not said again. */
  dismissLimitations(): void {
    this.#dismissed = [...this.#dismissed, ...this.limitations];
    this.#storage.setItem(STORAGE_KEY, this.#dismissed.join(' '));
  }

  /** Asks for everything. Where the desktop does not tell, nothing is shown. */
  async load(): Promise<void> {
    if (!this.isAvailable) return;
    try {
      const host = this.#host;
      [this.preferences, this.capabilities, this.startsAtLogin] = await Promise.all([host.desktopPreferences(), host.capabilities(), host.startsAtLogin()]);
    } catch {
      this.outcome = 'failed';
    }
  }

  /** Chooses. Keys that cannot be had are not taken. */
  update(choices: Partial<DesktopPreferences>): Promise<void> {
    return this.#run(async () => {
      this.preferences = await this.#host.updateDesktopPreferences(choices);
      this.capabilities = await this.#host.capabilities();
      return choices.shortcut === undefined || choices.shortcut === this.preferences.shortcut;
    });
  }

  /** Whether HAPA starts when the user logs in. */
  setStartAtLogin(on: boolean): Promise<void> {
    return this.#run(async () => {
      await this.#host.setStartAtLogin(on);
      this.startsAtLogin = await this.#host.startsAtLogin();
      return true;
    });
  }

  async #run(act: () => Promise<boolean>): Promise<void> {
    this.outcome = 'saving';
    try {
      this.outcome = (await act()) ? 'saved' : 'taken';
    } catch {
      this.outcome = 'failed';
    }
  }
}
