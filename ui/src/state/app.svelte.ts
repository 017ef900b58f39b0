// The window's state: one instance of each state class, wired together.
import { createContext } from 'svelte';

import type { GenerateRequest } from '../api/client';
import { suggestFileName } from '../lib/codeLanguages';
import { uniqueName } from '../lib/attachments';
import type { Host, OpenRequest } from '../host';
import type { Command } from '../lib/shortcuts';
import { FirstRun } from './firstRun.svelte';
import { Conversations } from './conversations.svelte';
import { Desktop } from './desktop.svelte';
import { Doctor } from './doctor.svelte';
import { Draft } from './draft.svelte';
import { EnginePause } from './enginePause.svelte';
import { TokenCounter } from './tokenCounter.svelte';
import { History } from './history.svelte';
import { Imports } from './imports.svelte';
import { Models } from './models.svelte';
import { Logs } from './logs.svelte';
import { Hardware } from './hardware.svelte';
import { Metrics } from './metrics.svelte';
import { ActiveModel } from './activeModel.svelte';
import { Preferences } from './preferences.svelte';
import { Settings } from './settings.svelte';
import { Shortcuts } from './shortcuts.svelte';
import { Sidecar } from './sidecar.svelte';
import { Updates } from './updates.svelte';

/** Dependencies of a window. */
export interface AppDeps {
  host: Host;
  fetch: typeof globalThis.fetch;
  storage: Storage;
  /** The system's language, such as `ko-KR`. */
  language: string;
  /** The prefix of draft keys in `storage`, for a window other than the main one. */
  draftPrefix?: string;
}

/** The views beside the conversation list. */
export type View = 'chat' | 'history' | 'models' | 'metrics' | 'settings';

/** All state of a window. */
export class App {
  /** The host that the window runs in. */
  readonly host: Host;
  readonly preferences: Preferences;
  readonly shortcuts: Shortcuts;
  readonly draft: Draft;
  readonly sidecar: Sidecar;
  readonly activeModel = new ActiveModel();
  readonly hardware: Hardware;
  readonly models: Models;
  readonly imports: Imports;
  readonly history: History;
  readonly metrics: Metrics;
  readonly settings: Settings;
  readonly logs: Logs;
  readonly doctor: Doctor;
  readonly conversations: Conversations;
  readonly firstRun: FirstRun;
  readonly tokenCounter: TokenCounter;
  readonly enginePause: EnginePause;
  readonly desktop: Desktop;
  readonly updates: Updates;
  view = $state<View>('chat');
  /** Whether the shortcut dialog is open. */
  shortcutsShown = $state(false);
  /** Counts requests to focus the composer. */
  focusComposerRequests = $state(0);

  constructor({ host, fetch, storage, language, draftPrefix }: AppDeps) {
    this.host = host;
    this.preferences = new Preferences(storage, language);
    this.shortcuts = new Shortcuts(storage);
    this.sidecar = new Sidecar(host, fetch, () => this.preferences.locale);
    this.tokenCounter = new TokenCounter(this.sidecar, () => this.#pendingRequest());
    this.draft = new Draft(storage, () => this.tokenCounter.refresh(), draftPrefix);
    this.history = new History(this.sidecar);
    this.metrics = new Metrics(this.sidecar);
    this.settings = new Settings(this.sidecar);
    this.logs = new Logs(this.sidecar);
    this.doctor = new Doctor(this.sidecar);
    this.models = new Models(this.sidecar, () => void this.refresh());
    this.hardware = new Hardware(this.sidecar, this.models);
    this.imports = new Imports(this.sidecar, () => void this.models.refresh(), () => this.preferences.messages.notGguf);
    this.enginePause = new EnginePause(this.sidecar, this.activeModel);
    this.desktop = new Desktop(host, storage, this.preferences);
    this.updates = new Updates(host);
    this.conversations = new Conversations({ sidecar: this.sidecar, model: this.activeModel, desktop: this.desktop }, this.draft, storage, {
      onthreadchange: () => this.tokenCounter.refresh(),
      onanswerend: (message) => this.desktop.notifyAnswer(message),
    });
    this.firstRun = new FirstRun(storage, this.activeModel, this.conversations);
  }

  /** Refreshes the active model and the conversations, as when the window regains the focus. */
  async refresh(): Promise<void> {
    if (this.sidecar.status.state !== 'ready') return;
    const api = await this.sidecar.api(AbortSignal.timeout(1000));
    void this.conversations.refresh(api);
    await this.activeModel.refresh(api);
  }

  /** Runs the command of a shortcut. */
  runCommand(command: Command): void {
    if (command === 'newChat') this.startNew();
    else if (command === 'list') this.preferences.listShown = !this.preferences.listShown;
    else if (command === 'shortcuts') this.shortcutsShown = true;
    else this.view = this.view === command ? 'chat' : command;
  }

  /** Attaches a part of a message to the draft, named after its first declaration. */
  askAbout(text: string, language: string): void {
    const name = suggestFileName(text, language, this.preferences.messages.selection);
    if (this.draft.files.some(({ content }) => content === text)) return;
    this.draft.attach([{ path: uniqueName(this.draft.files, name), content: text }]);
    this.focusComposerRequests += 1;
  }

  /** The request that would be sent for the current draft. */
  #pendingRequest(): GenerateRequest | undefined {
    const { text, preset, files } = this.draft;
    if (text.trim() === '' && files.length === 0) return undefined;
    const { id } = this.conversations.thread;
    const language = this.preferences.codeLanguage;
    return { user_question: text, language, model_type: preset, files: [...files], ...(id !== undefined && { conversation_id: id }) };
  }

  /** Opens a new conversation. */
  startNew(): void {
    this.view = 'chat';
    this.conversations.startNew();
  }

  /** Opens a conversation at a message. */
  async openMessage(conversation: string, message: string): Promise<void> {
    this.view = 'chat';
    await this.conversations.open(conversation, message);
  }

  /** Continues with a question or conversation of the quick window. */
  async continueFromQuickWindow(request: OpenRequest): Promise<void> {
    this.startNew();
    if ('conversation' in request) await this.conversations.open(request.conversation);
    else this.draft.restore(request.question);
  }

  /** Follows the sidecar; each new connection refreshes the model and the conversations. */
  start(): Promise<void> {
    void this.enginePause.followTray(this.host);
    void this.desktop.load();
    void this.updates.follow();
    void this.host.onOpenRequest((request) => void this.continueFromQuickWindow(request));
    return this.sidecar.follow((api) => {
      void Promise.all([this.activeModel.follow(api), this.conversations.refresh(api)]).then(() => this.firstRun.refresh());
      if (this.settings.values) void this.settings.load();
      void this.conversations.pendingDeletes.deleteLeftovers();
      this.tokenCounter.refresh();
      if (this.conversations.thread.loadState === 'failed') void this.conversations.thread.load();
    });
  }
}

/** The state of the window that contains the component. */
export const [useApp, provideApp] = createContext<App>();
