// Desktop integration: preferences, capabilities, notifications and saving files.
import type { Capabilities, DesktopPreferences, Host } from '../host';
import { attempt } from '../lib/attempt';
import { summarize } from '../lib/questionInput';
import type { Preferences } from './preferences.svelte';
import type { Message } from './thread.svelte';

export type { Capabilities, DesktopPreferences };

/** Dismissed limitations, separated by spaces. */
const STORAGE_KEY = 'hapa.said';

/** A missing capability of the desktop. */
export type Limitation = 'tray' | 'shortcut' | 'shortcut-taken';

/** The result of the last change. */
export type Outcome = 'saving' | 'saved' | 'failed' | 'shortcut-in-use';

/** The result of saving a file; `declined` if the user cancelled. */
export type SaveResult = 'saved' | 'declined' | 'failed';

/** The desktop preferences, each applied at once, and what the host does for the window. */
export class Desktop {
  readonly #host: Host;
  readonly #storage: Storage;
  readonly #texts: Pick<Preferences, 'messages'>;
  preferences = $state.raw<DesktopPreferences>();
  capabilities = $state.raw<Capabilities>();
  startsAtLogin = $state<boolean>();
  outcome = $state<Outcome>();
  /** The error of the last change, if it failed. */
  error = $state.raw<Error>();
  #dismissed = $state.raw<readonly string[]>([]);

  constructor(host: Host, storage: Storage, texts: Pick<Preferences, 'messages'>) {
    this.#host = host;
    this.#texts = texts;
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
    this.error = await attempt(async () => {
      const host = this.#host;
      [this.preferences, this.capabilities, this.startsAtLogin] = await Promise.all([host.desktopPreferences(), host.capabilities(), host.startsAtLogin()]);
    });
    if (this.error) this.outcome = 'failed';
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

  /** Notifies about a finished answer: a summary of its question, and no code. */
  notifyAnswer({ question, answer }: Message): void {
    if (answer.state === 'stopped') return;
    const { answerDone, answerFailed } = this.#texts.messages;
    void this.#host.notify(answer.state === 'done' ? answerDone : answerFailed, summarize(question));
  }

  /** Lets the user save a text as a file. */
  async saveFile(name: string, content: string): Promise<SaveResult> {
    try {
      return (await this.#host.saveFile(name, content)) ? 'saved' : 'declined';
    } catch {
      return 'failed';
    }
  }

  async #run(command: () => Promise<boolean>): Promise<void> {
    this.outcome = 'saving';
    this.error = await attempt(async () => (this.outcome = (await command()) ? 'saved' : 'shortcut-in-use'));
    if (this.error) this.outcome = 'failed';
  }
}
