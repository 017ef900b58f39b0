// A conversation on the screen: its messages, and the verbs on them.
import type { GenerateRequest, HistoryItem } from '../api/client';
import { extensionOf, looksLikeCode } from '../lib/codeLanguages';
import { DEFAULT_PRESET } from '../lib/presets';
import { NO_OPTIONS, type RequestOptions, type QuestionInput } from '../lib/questionInput';
import { Generation, type GenerationDeps } from './generation.svelte';

let lastKey = 0;

/** A question with its answer. */
export class Message {
  /** Tells it from all others, also before the API has it. */
  readonly key = (lastKey += 1);
  readonly question: string;
  /** The programming language that code is wanted in. */
  readonly language: string;
  /** What is to be done, and the files that go with it. */
  readonly options: RequestOptions;
  answer: Generation = $state.raw(new Generation());
  /** The ids of all versions of the question, oldest first, its own too; none before the API has it. */
  versions = $state.raw<readonly string[]>([]);
  /** The message whose place this takes when the API accepts it, and what the screen showed before. */
  readonly replaces: string | undefined;
  readonly replaced: readonly Message[];

  constructor(question: string, language: string, options = NO_OPTIONS, instead: Replacement = {}) {
    this.question = question;
    this.language = language;
    this.options = options;
    this.replaces = instead.replaces;
    this.replaced = instead.replaced ?? [];
  }

  static fromHistory(item: HistoryItem): Message {
    const message = new Message(item.question, item.language, { preset: item.model_type, files: filesOf(item) });
    message.answer = Generation.fromHistory(item);
    message.versions = item.versions;
    return message;
  }

  /** Whether the API has it. */
  get accepted(): boolean {
    return this.answer.messageId !== undefined;
  }

  /** Which of its versions it is, counted from zero. */
  get versionIndex(): number {
    return this.versions.indexOf(this.answer.messageId ?? '');
  }
}

interface Replacement {
  replaces?: string | undefined;
  replaced?: readonly Message[];
}

/** What a thread needs of the house, and whom it tells. */
export interface ThreadDeps extends GenerationDeps {
  /** Questions were added, accepted, answered or taken back. */
  onchange(thread: Thread): void;
  /** The API has something new to show in its list. */
  onsaved(): void;
  /** An answer has come to its end. */
  onanswerend?(message: Message): void;
}

/** How long is waited for a sidecar to read from, in milliseconds. */
export const TIMEOUT_MS = 10_000;

/** How many messages are read at first, when somebody looks further back, and when one far back is looked for. */
const INITIAL_PAGE_SIZE = 12;
const EARLIER_PAGE_SIZE = 60;
const SEARCH_PAGE_SIZE = 1000;

/** Whether what was to be read is here. */
export type LoadState = 'done' | 'reading' | 'failed';

/** A conversation. A new one has no id until its first question is accepted. */
export class Thread {
  id = $state<string>();
  messages = $state.raw<readonly Message[]>([]);
  /** The id of the message that somebody wants to see, until they have. */
  scrollTarget = $state<string>();
  /** Whether the messages that the API has are here. */
  loadState = $state<LoadState>('done');
  /** Whether the API has messages before those that are here, and how reading them goes. */
  hasEarlier = $state(false);
  earlierLoadState = $state<LoadState>('done');
  readonly #deps: ThreadDeps;

  /** With an `id`, a conversation that the API has; its messages come with {@link load}. */
  constructor(surroundings: ThreadDeps, id?: string) {
    this.#deps = surroundings;
    this.id = id;
  }

  /** Reads the latest messages that the API has. What was asked here meanwhile stays. */
  async load(): Promise<void> {
    if (this.id === undefined || this.loadState === 'reading') return;
    this.loadState = 'reading';
    try {
      await this.#loadPage(INITIAL_PAGE_SIZE);
      this.loadState = 'done';
    } catch {
      this.loadState = 'failed';
    }
  }

  /** Reads messages before those that are here. */
  async loadEarlier(): Promise<void> {
    if (!this.hasEarlier || this.earlierLoadState === 'reading') return;
    this.earlierLoadState = 'reading';
    try {
      await this.#loadPage(EARLIER_PAGE_SIZE);
      this.earlierLoadState = 'done';
    } catch {
      this.earlierLoadState = 'failed';
    }
  }

  /** Shows the version of `message` that is `step` further on, with what followed it. The id of that one, if there is one. */
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

  /** Has the thread lead through a message, whatever version it is of, and reads it again as far back as that. */
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

  /** Reads as far back as a message is that somebody wants to see; where it left the thread, the thread leads through it again. */
  async scrollTo(id: string): Promise<void> {
    try {
      if (!this.#has(id) && this.hasEarlier) await this.#loadPage(SEARCH_PAGE_SIZE, id);
      if (!this.#has(id) && this.id !== undefined && !this.running) await this.#switchBranch(this.id, id);
    } catch {
      // What is here can be seen all the same.
    }
    this.scrollTarget = this.#has(id) ? id : undefined;
  }

  #has(id: string): boolean {
    return this.messages.some(({ answer }) => answer.messageId === id);
  }

  /** Reads a page of messages before those that are here, the latest where there are none; pages until one is there that is `sought`. */
  async #loadPage(limit: number, sought?: string): Promise<void> {
    const before = this.hasEarlier ? this.messages.find(({ accepted }) => accepted)?.answer.messageId : undefined;
    const { items, isMore } = await this.#fetchMessages(limit, sought, before);
    const here = new Set(this.messages.map(({ answer }) => answer.messageId));
    this.messages = [...items.filter(({ id }) => !here.has(id)).map((item) => Message.fromHistory(item)), ...this.messages];
    this.hasEarlier = isMore;
  }

  /** Messages as the API has them, and whether there are more before them. */
  async #fetchMessages(limit: number, sought: string | undefined, before?: string): Promise<{ items: HistoryItem[]; isMore: boolean }> {
    const items: HistoryItem[] = [];
    let isMore: boolean;
    do {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const api = await this.#deps.sidecar.api(signal);
      const page = await api.conversation(this.id ?? '', { limit, ...(before !== undefined && { before }) }, signal);
      items.unshift(...page.messages);
      isMore = page.has_more;
      before = page.messages[0]?.id;
    } while (sought !== undefined && isMore && !items.some(({ id }) => id === sought));
    return { items, isMore };
  }

  /** The message whose answer is waited for or written, if there is one. */
  get running(): Message | undefined {
    const last = this.messages.at(-1);
    return last?.answer.running ? last : undefined;
  }

  /** Whether there is code in it that another question can be about. */
  get hasCode(): boolean {
    return this.messages.some(({ question, options, answer }) => options.files.length > 0 || looksLikeCode(question) || answer.text.includes('```'));
  }

  /** Questions that the API does not have yet. */
  get unsent(): QuestionInput[] {
    return this.messages.filter((message) => !message.accepted).map(({ question, options }) => ({ question, ...options }));
  }

  /** Asks a new question. */
  ask(question: string, language: string, options = NO_OPTIONS): Promise<void> {
    return this.#ask(new Message(question, language, options));
  }

  /** Asks the question of `message` again, as {@link edit} does. */
  regenerate(message: Message): Promise<void> {
    return this.edit(message, message.question);
  }

  /** Has the model go on with an answer that ended before its end, if nothing follows it. */
  async continueAnswer(message: Message): Promise<void> {
    const { answer } = message;
    if (message !== this.messages.at(-1) || !answer.canContinue || answer.messageId === undefined) return;
    const asked = answer.start(this.#deps, { ...this.#request(message), continues: answer.messageId }, () => undefined);
    this.#deps.onchange(this);
    await asked;
    this.#deps.onchange(this);
    this.#deps.onsaved();
    this.#deps.onanswerend?.(message);
  }

  /** Asks `question` in place of `message`, which gives way with all later ones; the API keeps them as another version. */
  edit(message: Message, question: string, options = message.options): Promise<void> {
    const index = this.messages.indexOf(message);
    if (index < 0) return Promise.resolve();
    this.stop();
    const given = this.messages.slice(index);
    this.messages = this.messages.slice(0, index);
    const instead = message.accepted
      ? { replaces: message.answer.messageId, replaced: given }
      : { replaces: message.replaces, replaced: message.replaced };
    return this.#ask(new Message(question, message.language, options, instead));
  }

  /** Takes back a question that the API never accepted. What it was to replace is there again. */
  discardUnsent(message: Message): void {
    const index = this.messages.indexOf(message);
    if (index < 0 || message.accepted) return;
    message.answer.stop();
    this.messages = [...this.messages.slice(0, index), ...message.replaced];
    this.#deps.onchange(this);
  }

  /** Stops the answer that is being written. */
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

/** The files of a message; code that another client sent with it is one without a name of its own. */
function filesOf({ files, code_context, language }: HistoryItem): RequestOptions['files'] {
  const context = code_context ? [{ path: `code.${extensionOf(language)}`, content: code_context }] : [];
  return [...context, ...files];
}
