// HAPA as a program of this desktop: what is chosen about that, and what the desktop can do.
import type { Abilities, Choices, Host } from '../host';

export type { Abilities, Choices };

/** Names of what was said once and need not be said again. */
const SAID = 'hapa.said';

/** What the desktop lacks. */
export type Lack = 'tray' | 'shortcut' | 'shortcut-taken';

/** What came of the last change. */
export type Outcome = 'saving' | 'saved' | 'failed' | 'taken';

/** The choices, each in force at once. */
export class Desktop {
  readonly #host: Host;
  readonly #storage: Storage;
  choices = $state.raw<Choices>();
  abilities = $state.raw<Abilities>();
  startsAtLogin = $state<boolean>();
  outcome = $state<Outcome>();
  #said = $state.raw<readonly string[]>([]);

  constructor(host: Host, storage: Storage) {
    this.#host = host;
    this.#storage = storage;
    this.#said = (storage.getItem(SAID) ?? '').split(' ').filter((name) => name !== '');
  }

  /** Whether there is a desktop to speak of. */
  get isThere(): boolean {
    return this.#host.isDesktop;
  }

  /** What the desktop lacks, as far as it was not said before. */
  get lacks(): readonly Lack[] {
    const { tray, shortcut } = this.abilities ?? { tray: true, shortcut: 'works' };
    const lacks: Lack[] = [];
    if (!tray) lacks.push('tray');
    if (shortcut !== 'works') lacks.push(shortcut === 'taken' ? 'shortcut-taken' : 'shortcut');
    return lacks.filter((lack) => !this.#said.includes(lack));
  }

  /** What is lacking was read, and is not said again. */
  understood(): void {
    this.#said = [...this.#said, ...this.lacks];
    this.#storage.setItem(SAID, this.#said.join(' '));
  }

  /** Asks for everything. Where the desktop does not tell, nothing is shown. */
  async load(): Promise<void> {
    if (!this.isThere) return;
    try {
      const host = this.#host;
      [this.choices, this.abilities, this.startsAtLogin] = await Promise.all([host.choices(), host.abilities(), host.startsAtLogin()]);
    } catch {
      this.outcome = 'failed';
    }
  }

  /** Chooses. Keys that cannot be had are not taken. */
  choose(choices: Partial<Choices>): Promise<void> {
    return this.#do(async () => {
      this.choices = await this.#host.choose(choices);
      this.abilities = await this.#host.abilities();
      return choices.shortcut === undefined || choices.shortcut === this.choices.shortcut;
    });
  }

  /** Whether HAPA starts when the user logs in. */
  setStartAtLogin(on: boolean): Promise<void> {
    return this.#do(async () => {
      await this.#host.setStartAtLogin(on);
      this.startsAtLogin = await this.#host.startsAtLogin();
      return true;
    });
  }

  async #do(act: () => Promise<boolean>): Promise<void> {
    this.outcome = 'saving';
    try {
      this.outcome = (await act()) ? 'saved' : 'taken';
    } catch {
      this.outcome = 'failed';
    }
  }
}
