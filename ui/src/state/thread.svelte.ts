// A thread: the messages of a conversation, and the actions on them.
import type { GenerateRequest, HistoryItem } from '../api/client';
import { attempt } from '../lib/attempt';
import { extensionOf, looksLikeCode } from '../lib/codeLanguages';
import { DEFAULT_PRESET } from '../lib/presets';
import { NO_OPTIONS, type RequestOptions, type QuestionInput } from '../lib/questionInput';
import { Generation, type GenerationDeps } from './generation.svelte';

let lastKey = 0;

/** A question with its answer. */
export class Message {
  /** A unique key, also before the API has accepted it. */
  readonly key = (lastKey += 1);
  readonly question: string;
  /** The programming language for generated code. */
  readonly language: string;
  /** Preset and attachments. */
  readonly options: RequestOptions;
  answer: Generation = $state.raw(new Generation());
  /** The ids of all versions of the question including this one, oldest first; empty before it is accepted. */
  versions = $state.raw<readonly string[]>([]);
  /** The message that this one replaces once accepted, and the messages that were shown from there on. */
  readonly replaces: string | undefined;
  readonly replaced: readonly Message[];

  constructor(question: string, language: string, options = NO_OPTIONS, replacement: Replacement = {}) {
    this.question = question;
    this.language = language;
    this.options = options;
    this.replaces = replacement.replaces;
    this.replaced = replacement.replaced ?? [];
  }

  static fromHistory(item: HistoryItem): Message {
    const message = new Message(item.question, item.language, { preset: item.model_type, files: filesOf(item) });
    message.answer = Generation.fromHistory(item);
    message.versions = item.versions;
    return message;
  }

  /** Whether the API has accepted it. */
  get accepted(): boolean {
    return this.answer.messageId !== undefined;
  }

  /** Zero-based index of this version. */
  get versionIndex(): number {
    return this.versions.indexOf(this.answer.messageId ?? '');
  }
}

interface Replacement {
  replaces?: string | undefined;
  replaced?: readonly Message[];
}

/** Dependencies and callbacks of a thread. */
export interface ThreadDeps extends GenerationDeps {
  /** Questions were added, accepted, answered or discarded. */
  onchange(thread: Thread): void;
  /** The API has saved something that changes the list. */
  onsaved(): void;
  /** An answer has ended. */
  onanswerend?(message: Message): void;
}

/** Timeout of a request, in milliseconds. */
export const TIMEOUT_MS = 10_000;

/** Page sizes in messages: at first, when scrolling up, and when loading back to a search result. */
const INITIAL_PAGE_SIZE = 12;
const EARLIER_PAGE_SIZE = 60;
const SEARCH_PAGE_SIZE = 1000;

/** The state of loading messages. */
export type LoadState = 'done' | 'loading' | 'failed';

/** A conversation. A new one has no id until its first question is accepted. */
export class Thread {
  id = $state<string>();
  messages = $state.raw<readonly Message[]>([]);
  /** The message to scroll to, until that is done. */
  scrollTarget = $state<string>();
  /** The state of loading the latest messages. */
  loadState = $state<LoadState>('done');
  /** Whether there are earlier messages, and the state of loading them. */
  hasEarlier = $state(false);
  earlierLoadState = $state<LoadState>('done');
  /** The error of the last load, if it failed. */
  error = $state.raw<Error>();
  readonly #deps: ThreadDeps;

  /** With an `id`, a stored conversation; {@link load} loads its messages. */
  constructor(deps: ThreadDeps, id?: string) {
    this.#deps = deps;
    this.id = id;
  }

  /** Loads the latest messages. Questions asked meanwhile are kept. */
  async load(): Promise<void> {
    if (this.id === undefined || this.loadState === 'loading') return;
    this.loadState = 'loading';
    this.error = await attempt(() => this.#loadPage(INITIAL_PAGE_SIZE));
    this.loadState = this.error ? 'failed' : 'done';
  }

  /** Loads earlier messages. */
  async loadEarlier(): Promise<void> {
    if (!this.hasEarlier || this.earlierLoadState === 'loading') return;
    this.earlierLoadState = 'loading';
    this.error = await attempt(() => this.#loadPage(EARLIER_PAGE_SIZE));
    this.earlierLoadState = this.error ? 'failed' : 'done';
  }

  /** Switches to the version of `message` that is `step` further, with its branch. Returns that version's id, if there is one. */
  async switchVersion(message: Message, step: -1 | 1): Promise<string | undefined> {
    const id = message.versions[message.versionIndex + step];
    if (id === undefined || this.id === undefined || this.running) return undefined;
    try {
      await this.#switchBranch(this.id, id);
      return id;
    } catch {
      return undefined;
    }
  }

  /** Switches the conversation to the branch of a message, and reloads as many messages as before, at least back to that one. */
  async #switchBranch(conversation: string, id: string): Promise<void> {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const api = await this.#deps.sidecar.api(signal);
    await api.changeConversation(conversation, { shown: id }, signal);
    const known = new Map(this.messages.map((message) => [message.answer.messageId, message]));
    const { items, isMore } = await this.#fetchMessages(Math.max(INITIAL_PAGE_SIZE, this.messages.length), id);
    this.messages = items.map((item) => known.get(item.id) ?? Message.fromHistory(item));
    this.hasEarlier = isMore;
    this.#deps.onsaved();
  }

  /** Loads messages back to the given one and scrolls to it; switches branches if it is on another one. */
  async scrollTo(id: string): Promise<void> {
    try {
      if (!this.#has(id) && this.hasEarlier) await this.#loadPage(SEARCH_PAGE_SIZE, id);
      if (!this.#has(id) && this.id !== undefined && !this.running) await this.#switchBranch(this.id, id);
    } catch {
      // The messages that are loaded stay visible.
    }
    this.scrollTarget = this.#has(id) ? id : undefined;
  }

  #has(id: string): boolean {
    return this.messages.some(({ answer }) => answer.messageId === id);
  }

  /** Loads a page of earlier messages, or the latest if there are none; with `target`, pages until that message is loaded. */
  async #loadPage(limit: number, target?: string): Promise<void> {
    const before = this.hasEarlier ? this.messages.find(({ accepted }) => accepted)?.answer.messageId : undefined;
    const { items, isMore } = await this.#fetchMessages(limit, target, before);
    const loadedIds = new Set(this.messages.map(({ answer }) => answer.messageId));
    this.messages = [...items.filter(({ id }) => !loadedIds.has(id)).map((item) => Message.fromHistory(item)), ...this.messages];
    this.hasEarlier = isMore;
  }

  /** Fetches messages, and whether there are earlier ones. */
  async #fetchMessages(limit: number, target: string | undefined, before?: string): Promise<{ items: HistoryItem[]; isMore: boolean }> {
    const items: HistoryItem[] = [];
    let isMore: boolean;
    do {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const api = await this.#deps.sidecar.api(signal);
      const page = await api.conversation(this.id ?? '', { limit, ...(before !== undefined && { before }) }, signal);
      items.unshift(...page.messages);
      isMore = page.has_more;
      before = page.messages[0]?.id;
    } while (target !== undefined && isMore && !items.some(({ id }) => id === target));
    return { items, isMore };
  }

  /** The message whose answer is pending or streaming. */
  get running(): Message | undefined {
    const last = this.messages.at(-1);
    return last?.answer.running ? last : undefined;
  }

  /** Whether it contains code that a question can refer to. */
  get hasCode(): boolean {
    return this.messages.some(({ question, options, answer }) => options.files.length > 0 || looksLikeCode(question) || answer.text.includes('```'));
  }

  /** Questions that the API has not accepted. */
  get unsent(): QuestionInput[] {
    return this.messages.filter((message) => !message.accepted).map(({ question, options }) => ({ question, ...options }));
  }

  /** Asks a new question. */
  ask(question: string, language: string, options = NO_OPTIONS): Promise<void> {
    return this.#ask(new Message(question, language, options));
  }

  /** Asks the question of `message` again, as a new version like {@link edit}. */
  regenerate(message: Message): Promise<void> {
    return this.edit(message, message.question);
  }

  /** Lets the model continue an answer that ended early, if it is the last one. */
  async continueAnswer(message: Message): Promise<void> {
    const { answer } = message;
    if (message !== this.messages.at(-1) || !answer.canContinue || answer.messageId === undefined) return;
    const started = answer.start(this.#deps, { ...this.#request(message), continues: answer.messageId }, () => undefined);
    this.#deps.onchange(this);
    await started;
    this.#deps.onchange(this);
    this.#deps.onsaved();
    this.#deps.onanswerend?.(message);
  }

  /** Asks `question` in place of `message` and those after it; the API keeps them as another version. */
  edit(message: Message, question: string, options = message.options): Promise<void> {
    const index = this.messages.indexOf(message);
    if (index < 0) return Promise.resolve();
    this.stop();
    const replaced = this.messages.slice(index);
    this.messages = this.messages.slice(0, index);
    const replacement = message.accepted
      ? { replaces: message.answer.messageId, replaced }
      : { replaces: message.replaces, replaced: message.replaced };
    return this.#ask(new Message(question, message.language, options, replacement));
  }

  /** Discards a question that was never accepted. The messages it was to replace are shown again. */
  discardUnsent(message: Message): void {
    const index = this.messages.indexOf(message);
    if (index < 0 || message.accepted) return;
    message.answer.stop();
    this.messages = [...this.messages.slice(0, index), ...message.replaced];
    this.#deps.onchange(this);
  }

  /** Cancels the running answer. */
  stop(): void {
    this.running?.answer.stop();
  }

  #request({ question, language, options }: Message): GenerateRequest {
    const request: GenerateRequest = { user_question: question, language };
    if (options.preset !== DEFAULT_PRESET) request.model_type = options.preset;
    if (options.files.length > 0) request.files = [...options.files];
    if (this.id !== undefined) request.conversation_id = this.id;
    return request;
  }

  async #ask(message: Message): Promise<void> {
    this.messages = [...this.messages, message];
    this.#deps.onchange(this);
    const request = this.#request(message);
    if (message.replaces !== undefined) request.replaces = message.replaces;
    await message.answer.start(this.#deps, request, () => {
      this.id = message.answer.conversationId ?? this.id;
      const before = message.replaced.find(({ answer }) => answer.messageId === message.replaces)?.versions ?? [];
      message.versions = [...before, message.answer.messageId ?? ''];
      this.#deps.onchange(this);
      this.#deps.onsaved();
    });
    this.#deps.onchange(this);
    if (message.accepted) this.#deps.onsaved();
    this.#deps.onanswerend?.(message);
  }
}

/** The attachments of a message; code that another client sent without a name gets one. */
function filesOf({ files, code_context, language }: HistoryItem): RequestOptions['files'] {
  const context = code_context ? [{ path: `code.${extensionOf(language)}`, content: code_context }] : [];
  return [...context, ...files];
}
