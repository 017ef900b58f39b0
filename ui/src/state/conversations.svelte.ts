// The conversations: those the API keeps, and the one on the screen.
import type { Api, ConversationItem, HistoryItem } from '../api/client';
import { toMarkdown, exportFileName, type ExportFormat } from '../lib/conversationExport';
import type { Draft } from './draft.svelte';
import type { GenerationDeps } from './generation.svelte';
import { TRANSFER_TIMEOUT_MS } from './history.svelte';
import { PendingDeletes } from './pendingDeletes.svelte';
import { TIMEOUT_MS, Thread, type Message, type ThreadDeps } from './thread.svelte';

export type { ConversationItem };

/** How many are asked for at a time. */
const PAGE_SIZE = 50;
/** How many messages the API gives out at a time, at most. */
const MAX_PAGE_SIZE = 1000;

/** Who wants to know of what happens. */
interface Callbacks {
  onthreadchange?: () => void;
  onanswerend?: (message: Message) => void;
}

/** The list on the left, and which of it is open. */
export class Conversations {
  /** As the API has them, the latest first; undefined until it has told. */
  #items = $state.raw<ConversationItem[]>();
  /** Those that are deleted soon. */
  readonly pendingDeletes: PendingDeletes;
  hasMore = $state(false);
  /** Whether the list could not be read. */
  failed = $state(false);
  /** The conversation on the screen. */
  thread: Thread = $state.raw() as Thread;

  readonly #deps: ThreadDeps;
  readonly #onthreadchange: () => void;
  /** Threads that the API does not have as they are, also off the screen: one is being answered, or could not be sent. */
  #localThreads = $state.raw<readonly Thread[]>([]);

  /** `onturn` is told when another thread is on the screen, or has more in it; `onended` of each answer that is over. */
  constructor(backend: GenerationDeps, draft: Draft, storage: Storage, { onthreadchange, onanswerend }: Callbacks = {}) {
    this.#onthreadchange = onthreadchange ?? (() => undefined);
    this.pendingDeletes = new PendingDeletes(backend.sidecar, storage, (ids) => {
      this.#items = this.#items?.filter((item) => !ids.includes(item.id));
    });
    this.#deps = {
      ...backend,
      onchange: (thread) => {
        this.#threadChanged(thread);
        draft.setUnsent(thread, thread.unsent);
      },
      onsaved: () => {
        this.#onthreadchange();
        void this.refresh();
      },
      onanswerend: (message) => onanswerend?.(message),
    };
    this.thread = new Thread(this.#deps);
  }

  /** The latest first, without those that are deleted soon; undefined until the API has told. */
  get items(): readonly ConversationItem[] | undefined {
    return this.#items?.filter(({ id }) => !this.pendingDeletes.has(id));
  }

  /** Whether an answer of this conversation is being written. */
  isRunning(id: string): boolean {
    return this.#localThreads.some((thread) => thread.id === id && thread.running);
  }

  /** Conversations that the API does not know yet, the latest first. */
  get unsent(): readonly Thread[] {
    return this.#localThreads.filter((thread) => thread.id === undefined);
  }

  /** Reads the beginning of the list again; what was read beyond it stays. */
  async refresh(api?: Api): Promise<void> {
    await this.#loadPage(0, ({ items, has_more }) => {
      const end = items.at(-1)?.updated_at ?? '';
      const isBeyond = (item: ConversationItem) => has_more && item.updated_at <= end;
      const beyond = without(this.#items ?? [], items).filter(isBeyond);
      // Whether there is more after what is beyond, the last page read has told.
      if (beyond.length === 0) this.hasMore = has_more;
      this.#items = [...items, ...beyond];
    }, api);
  }

  /** Reads the next page. */
  async loadMore(): Promise<void> {
    const known = this.#items ?? [];
    await this.#loadPage(known.length, ({ items, has_more }) => {
      this.#items = [...known, ...without(items, known)];
      this.hasMore = has_more;
    });
  }

  /** Begins a new conversation. */
  startNew(): void {
    this.show(new Thread(this.#deps));
  }

  /** Opens a conversation of the list, at a message of it if one is named. */
  async open(id: string, message?: string): Promise<void> {
    const alive = this.#localThreads.find((thread) => thread.id === id);
    const isOpen = this.thread.id === id && this.thread.loadState !== 'failed';
    const thread = alive ?? (isOpen ? this.thread : new Thread(this.#deps, id));
    this.show(thread);
    if (thread !== alive && !isOpen) await thread.load();
    if (message !== undefined) await thread.scrollTo(message);
  }

  /** Takes a conversation off the list and the screen; the API is told when it cannot be taken back any more. */
  remove(id: string): void {
    const item = this.#items?.find((item) => item.id === id);
    if (!item) return;
    for (const thread of this.#localThreads) if (thread.id === id) thread.stop();
    const isOpen = this.thread.id === id;
    if (isOpen) this.startNew();
    this.pendingDeletes.add({ id, title: item.title, thread: isOpen ? this.thread : undefined });
  }

  /** Puts the conversation that was removed last back, on the screen too if nothing else was begun there. */
  undoDelete(): void {
    const back = this.pendingDeletes.undo();
    if (back && back.thread === this.thread && this.thread.messages.length === 0) void this.open(back.id);
  }

  /** Puts all that can be taken back where it was. */
  undoAll(): void {
    while (this.pendingDeletes.count > 0) this.undoDelete();
  }

  /** A conversation as a file: its thread for reading, or all versions of all its messages. Throws where it cannot be read. */
  async export(id: string, form: ExportFormat): Promise<{ name: string; content: string }> {
    if (form === 'markdown') {
      const { conversation, thread } = await this.#loadAll(id);
      return { name: exportFileName(conversation, form), content: toMarkdown(conversation, thread) };
    }
    const signal = AbortSignal.timeout(TRANSFER_TIMEOUT_MS);
    const api = await this.#deps.sidecar.api(signal);
    const conversation = await api.conversation(id, { limit: 1 }, signal);
    const file: unknown = JSON.parse(await api.exportHistory({ format: 'json', conversation: id }, signal));
    return { name: exportFileName(conversation, form), content: `${JSON.stringify(file, null, 2)}\n` };
  }

  /** A conversation with all messages of its thread. */
  async #loadAll(id: string): Promise<{ conversation: ConversationItem; thread: HistoryItem[] }> {
    const thread: HistoryItem[] = [];
    for (;;) {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const api = await this.#deps.sidecar.api(signal);
      const [first] = thread;
      const { messages, has_more, ...conversation } = await api.conversation(id, { limit: MAX_PAGE_SIZE, ...(first && { before: first.id }) }, signal);
      thread.unshift(...messages);
      if (!has_more) return { conversation, thread };
    }
  }

  /** Renames a conversation, or pins it to the top of the list. What cannot be changed stays as it was. */
  async update(id: string, change: { title?: string; pinned?: boolean }): Promise<void> {
    const before = this.#items;
    this.#items = before?.map((item) => (item.id === id ? { ...item, ...change } : item));
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const api = await this.#deps.sidecar.api(signal);
      await api.changeConversation(id, change, signal);
      await this.refresh(api);
    } catch {
      this.#items = before;
    }
  }

  /** Puts a thread on the screen. */
  show(thread: Thread): void {
    this.thread = thread;
    this.#onthreadchange();
  }

  #threadChanged(thread: Thread): void {
    const others = this.#localThreads.filter((other) => other !== thread);
    const isAlive = thread.running !== undefined || thread.unsent.length > 0;
    this.#localThreads = isAlive ? [thread, ...others] : others;
  }

  async #loadPage(offset: number, take: (page: Page) => void, api?: Api): Promise<void> {
    try {
      api ??= await this.#deps.sidecar.api(AbortSignal.timeout(TIMEOUT_MS));
      take(await api.conversations({ limit: PAGE_SIZE, offset }));
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
