// The window's state as a whole, for the components below it.
import { createContext } from 'svelte';

import type { GenerateRequest } from '../api/client';
import { fileName } from '../lib/code';
import type { Form } from '../lib/exported';
import { freeName } from '../lib/files';
import type { Host, Opened } from '../host';
import { beginningOf } from '../lib/question';
import type { Command } from '../lib/shortcuts';
import { Beginning } from './beginning.svelte';
import { Conversations } from './conversations.svelte';
import { Desktop } from './desktop.svelte';
import { Doctor } from './doctor.svelte';
import { Draft } from './draft.svelte';
import { Engine } from './engine.svelte';
import { Gauge } from './gauge.svelte';
import { History } from './history.svelte';
import { Imports } from './imports.svelte';
import { Library } from './library.svelte';
import { Logs } from './logs.svelte';
import { Machine } from './machine.svelte';
import { Metrics } from './metrics.svelte';
import { Model } from './model.svelte';
import { Preferences } from './preferences.svelte';
import { Settings } from './settings.svelte';
import { Shortcuts } from './shortcuts.svelte';
import { Sidecar } from './sidecar.svelte';
import type { Message } from './thread.svelte';
import { Updates } from './updates.svelte';

/** What a window is made of. */
export interface Surroundings {
  host: Host;
  fetch: typeof globalThis.fetch;
  storage: Storage;
  /** The system's language, such as `ko-KR`. */
  language: string;
  /** What the names of drafts begin with in `storage`, where this is not the main window. */
  drafts?: string;
}

/** What the window shows beside the list of conversations. */
export type Place = 'chat' | 'history' | 'models' | 'metrics' | 'settings';

/** What came of saving a file: whoever was asked where may not say. */
export type Saving = 'saved' | 'declined' | 'failed';

/** One of each. */
export class App {
  /** What the window runs in. */
  readonly host: Host;
  readonly preferences: Preferences;
  readonly shortcuts: Shortcuts;
  readonly draft: Draft;
  readonly sidecar: Sidecar;
  readonly model = new Model();
  readonly machine: Machine;
  readonly library: Library;
  readonly imports: Imports;
  readonly history: History;
  readonly metrics: Metrics;
  readonly settings: Settings;
  readonly logs: Logs;
  readonly doctor: Doctor;
  readonly conversations: Conversations;
  readonly beginning: Beginning;
  readonly gauge: Gauge;
  readonly engine: Engine;
  readonly desktop: Desktop;
  readonly updates: Updates;
  place = $state<Place>('chat');
  /** Whether the list of keys is shown. */
  shortcutsShown = $state(false);
  /** How often something was to be asked about: writing goes on then. */
  asked = $state(0);
  /** What came of saving a conversation last. */
  saving = $state<Saving>();

  constructor({ host, fetch, storage, language, drafts }: Surroundings) {
    this.host = host;
    this.preferences = new Preferences(storage, language);
    this.shortcuts = new Shortcuts(storage);
    this.sidecar = new Sidecar(host, fetch, () => this.preferences.spoken);
    this.gauge = new Gauge(this.sidecar, () => this.#written());
    this.draft = new Draft(storage, () => this.gauge.look(), drafts);
    this.history = new History(this.sidecar);
    this.metrics = new Metrics(this.sidecar);
    this.settings = new Settings(this.sidecar);
    this.logs = new Logs(this.sidecar);
    this.doctor = new Doctor(this.sidecar);
    this.library = new Library(this.sidecar, () => void this.look());
    this.machine = new Machine(this.sidecar, this.library);
    this.imports = new Imports(this.sidecar, () => void this.library.look(), () => this.preferences.messages.notGguf);
    this.engine = new Engine(this.sidecar, this.model);
    this.desktop = new Desktop(host, storage);
    this.updates = new Updates(host);
    this.conversations = new Conversations({ sidecar: this.sidecar, model: this.model }, this.draft, storage, {
      onturn: () => this.gauge.look(),
      onended: (message) => this.#tell(message),
    });
    this.beginning = new Beginning(storage, this.model, this.conversations);
  }

  /** Looks again who answers, as when somebody comes back to the window. */
  async look(): Promise<void> {
    if (this.sidecar.status.state !== 'ready') return;
    const api = await this.sidecar.api(AbortSignal.timeout(1000));
    void this.conversations.refresh(api);
    await this.model.refresh(api);
  }

  /** Does what keys ask for. */
  run(command: Command): void {
    if (command === 'newChat') this.startNew();
    else if (command === 'list') this.preferences.listShown = !this.preferences.listShown;
    else if (command === 'shortcuts') this.shortcutsShown = true;
    else this.place = this.place === command ? 'chat' : command;
  }

  /** Attaches a part of a message to the question being written, called after what is in it. */
  askAbout(text: string, language: string): void {
    const name = fileName(text, language, this.preferences.messages.selection);
    if (this.draft.files.some(({ content }) => content === text)) return;
    this.draft.attach([{ path: freeName(this.draft.files, name), content: text }]);
    this.asked += 1;
  }

  /** Lets the user save a text as a file. */
  async save(name: string, content: string): Promise<Saving> {
    try {
      return (await this.host.saveFile(name, content)) ? 'saved' : 'declined';
    } catch {
      return 'failed';
    }
  }

  /** Lets the user save a conversation as a file; `saving` tells what came of it. */
  async export(id: string, form: Form): Promise<void> {
    this.saving = undefined;
    try {
      const { name, content } = await this.conversations.export(id, form);
      this.saving = await this.save(name, content);
    } catch {
      this.saving = 'failed';
    }
  }

  /** What would be asked if what is written went out now. */
  #written(): GenerateRequest | undefined {
    const { text, preset, files } = this.draft;
    if (text.trim() === '' && files.length === 0) return undefined;
    const { id } = this.conversations.thread;
    const language = this.preferences.codeLanguage;
    return { user_question: text, language, model_type: preset, files: [...files], ...(id !== undefined && { conversation_id: id }) };
  }

  /** Begins a new conversation, on the screen. */
  startNew(): void {
    this.place = 'chat';
    this.conversations.startNew();
  }

  /** Opens a conversation where a message of it is. */
  async openAt(conversation: string, message: string): Promise<void> {
    this.place = 'chat';
    await this.conversations.open(conversation, message);
  }

  /** Goes on with what the quick window handed over. */
  async take(what: Opened): Promise<void> {
    this.startNew();
    if ('conversation' in what) await this.conversations.open(what.conversation);
    else this.draft.takeBack(what.question);
  }

  /** Tells of an answer that nobody watched: how its question began, and no code. */
  #tell({ question, answer }: Message): void {
    if (answer.state === 'stopped') return;
    const { answerDone, answerFailed } = this.preferences.messages;
    void this.host.notify(answer.state === 'done' ? answerDone : answerFailed, beginningOf(question));
  }

  /** Follows the sidecar from now on; each new one is asked for its model and its conversations. */
  start(): Promise<void> {
    void this.engine.listen(this.host);
    void this.desktop.load();
    void this.updates.follow();
    void this.host.onOpened((what) => void this.take(what));
    return this.sidecar.follow((api) => {
      void Promise.all([this.model.follow(api), this.conversations.refresh(api)]).then(() => this.beginning.look());
      if (this.settings.values) void this.settings.load();
      void this.conversations.removal.resume();
      this.gauge.look();
      if (this.conversations.thread.reading === 'failed') void this.conversations.thread.read();
    });
  }
}

/** The state of the window that a component is in. */
export const [useApp, provideApp] = createContext<App>();
