// The conversations: those the API keeps, and the one on the screen.
import type { Api, ConversationItem, HistoryItem } from '../api/client';
import { asMarkdown, nameOf, type Form } from '../lib/exported';
import type { Draft } from './draft.svelte';
import type { Backend } from './generation.svelte';
import { WHOLE } from './history.svelte';
import { Removal } from './removal.svelte';
import { PATIENCE, Thread, type Message, type Surroundings } from './thread.svelte';

export type { ConversationItem };

/** How many are asked for at a time. */
const PAGE = 50;
/** How many messages the API gives out at a time, at most. */
const MOST = 1000;

/** Who wants to know of what happens. */
interface Listeners {
  onturn?: () => void;
  onended?: (message: Message) => void;
}

/** The list on the left, and which of it is open. */
export class Conversations {
  /** As the API has them, the latest first; undefined until it has told. */
  #items = $state.raw<ConversationItem[]>();
  /** Those that are deleted soon. */
  readonly removal: Removal;
  hasMore = $state(false);
  /** Whether the list could not be read. */
  failed = $state(false);
  /** The conversation on the screen. */
  thread: Thread = $state.raw() as Thread;

  readonly #surroundings: Surroundings;
  readonly #onturn: () => void;
  /** Threads that the API does not have as they are, also off the screen: one is being answered, or could not be sent. */
  #alive = $state.raw<readonly Thread[]>([]);

  /** `onturn` is told when another thread is on the screen, or has more in it; `onended` of each answer that is over. */
  constructor(backend: Backend, draft: Draft, storage: Storage, { onturn, onended }: Listeners = {}) {
    this.#onturn = onturn ?? (() => undefined);
    this.removal = new Removal(backend.sidecar, storage, (ids) => {
      this.#items = this.#items?.filter((item) => !ids.includes(item.id));
    });
    this.#surroundings = {
      ...backend,
      onchange: (thread) => {
        this.#changed(thread);
        draft.unsent(thread, thread.unsent);
      },
      onkept: () => {
        this.#onturn();
        void this.refresh();
      },
      onended: (message) => onended?.(message),
    };
    this.thread = new Thread(this.#surroundings);
  }

  /** The latest first, without those that are deleted soon; undefined until the API has told. */
  get items(): readonly ConversationItem[] | undefined {
    return this.#items?.filter(({ id }) => !this.removal.has(id));
  }

  /** Whether an answer of this conversation is being written. */
  isRunning(id: string): boolean {
    return this.#alive.some((thread) => thread.id === id && thread.running);
  }

  /** Conversations that the API does not know yet, the latest first. */
  get unsent(): readonly Thread[] {
    return this.#alive.filter((thread) => thread.id === undefined);
  }

  /** Reads the beginning of the list again; what was read beyond it stays. */
  async refresh(api?: Api): Promise<void> {
    await this.#read(0, ({ items, has_more }) => {
      const end = items.at(-1)?.updated_at ?? '';
      const isBeyond = (item: ConversationItem) => has_more && item.updated_at <= end;
      const beyond = without(this.#items ?? [], items).filter(isBeyond);
      // Whether there is more after what is beyond, the last page read has told.
      if (beyond.length === 0) this.hasMore = has_more;
      this.#items = [...items, ...beyond];
    }, api);
  }

  /** Reads the next page. */
  async more(): Promise<void> {
    const known = this.#items ?? [];
    await this.#read(known.length, ({ items, has_more }) => {
      this.#items = [...known, ...without(items, known)];
      this.hasMore = has_more;
    });
  }

  /** Begins a new conversation. */
  startNew(): void {
    this.show(new Thread(this.#surroundings));
  }

  /** Opens a conversation of the list, at a message of it if one is named. */
  async open(id: string, message?: string): Promise<void> {
    const alive = this.#alive.find((thread) => thread.id === id);
    const isOpen = this.thread.id === id && this.thread.reading !== 'failed';
    const thread = alive ?? (isOpen ? this.thread : new Thread(this.#surroundings, id));
    this.show(thread);
    if (thread !== alive && !isOpen) await thread.read();
    if (message !== undefined) await thread.seek(message);
  }

  /** Takes a conversation off the list and the screen; the API is told when it cannot be taken back any more. */
  remove(id: string): void {
    const item = this.#items?.find((item) => item.id === id);
    if (!item) return;
    for (const thread of this.#alive) if (thread.id === id) thread.stop();
    const isOpen = this.thread.id === id;
    if (isOpen) this.startNew();
    this.removal.add({ id, title: item.title, thread: isOpen ? this.thread : undefined });
  }

  /** Puts the conversation that was removed last back, on the screen too if nothing else was begun there. */
  takeBack(): void {
    const back = this.removal.takeBack();
    if (back && back.thread === this.thread && this.thread.messages.length === 0) void this.open(back.id);
  }

  /** Puts all that can be taken back where it was. */
  takeAllBack(): void {
    while (this.removal.count > 0) this.takeBack();
  }

  /** A conversation as a file: its thread for reading, or all versions of all its messages. Throws where it cannot be read. */
  async export(id: string, form: Form): Promise<{ name: string; content: string }> {
    if (form === 'markdown') {
      const { conversation, thread } = await this.#whole(id);
      return { name: nameOf(conversation, form), content: asMarkdown(conversation, thread) };
    }
    const signal = AbortSignal.timeout(WHOLE);
    const api = await this.#surroundings.sidecar.api(signal);
    const conversation = await api.conversation(id, { limit: 1 }, signal);
    const file: unknown = JSON.parse(await api.exportHistory({ format: 'json', conversation: id }, signal));
    return { name: nameOf(conversation, form), content: `${JSON.stringify(file, null, 2)}\n` };
  }

  /** A conversation with all messages of its thread. */
  async #whole(id: string): Promise<{ conversation: ConversationItem; thread: HistoryItem[] }> {
    const thread: HistoryItem[] = [];
    for (;;) {
      const signal = AbortSignal.timeout(PATIENCE);
      const api = await this.#surroundings.sidecar.api(signal);
      const [first] = thread;
      const { messages, has_more, ...conversation } = await api.conversation(id, { limit: MOST, ...(first && { before: first.id }) }, signal);
      thread.unshift(...messages);
      if (!has_more) return { conversation, thread };
    }
  }

  /** Renames a conversation, or pins it to the top of the list. What cannot be changed stays as it was. */
  async change(id: string, change: { title?: string; pinned?: boolean }): Promise<void> {
    const before = this.#items;
    this.#items = before?.map((item) => (item.id === id ? { ...item, ...change } : item));
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      const api = await this.#surroundings.sidecar.api(signal);
      await api.changeConversation(id, change, signal);
      await this.refresh(api);
    } catch {
      this.#items = before;
    }
  }

  /** Puts a thread on the screen. */
  show(thread: Thread): void {
    this.thread = thread;
    this.#onturn();
  }

  #changed(thread: Thread): void {
    const others = this.#alive.filter((other) => other !== thread);
    const isAlive = thread.running !== undefined || thread.unsent.length > 0;
    this.#alive = isAlive ? [thread, ...others] : others;
  }

  async #read(offset: number, take: (page: Page) => void, api?: Api): Promise<void> {
    try {
      api ??= await this.#surroundings.sidecar.api(AbortSignal.timeout(PATIENCE));
      take(await api.conversations({ limit: PAGE, offset }));
      this.failed = false;
    } catch {
      // A list that is a little old is better than none.
      this.failed = this.#items === undefined || offset > 0;
    }
  }
}

type Page = Awaited<ReturnType<Api['conversations']>>;

/** Those items that are not among `others`. */
function without(items: readonly ConversationItem[], others: readonly ConversationItem[]): ConversationItem[] {
  const ids = new Set(others.map(({ id }) => id));
  return items.filter(({ id }) => !ids.has(id));
}
