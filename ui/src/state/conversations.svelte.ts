// The list of conversations, and the open thread.
import type { Api, ConversationItem, HistoryItem } from '../api/client';
import { attempt } from '../lib/attempt';
import { toMarkdown, exportFileName, type ExportFormat } from '../lib/conversationExport';
import type { Desktop, SaveResult } from './desktop.svelte';
import type { Draft } from './draft.svelte';
import type { GenerationDeps } from './generation.svelte';
import { TRANSFER_TIMEOUT_MS } from './history.svelte';
import { PendingDeletes } from './pendingDeletes.svelte';
import { TIMEOUT_MS, Thread, type Message, type ThreadDeps } from './thread.svelte';

export type { ConversationItem };

/** Conversations per page. */
const PAGE_SIZE = 50;
/** The API's limit of messages per page. */
const MAX_PAGE_SIZE = 1000;

/** Dependencies of the list. */
interface Deps extends GenerationDeps {
  desktop: Pick<Desktop, 'saveFile'>;
}

/** Callbacks of the list. */
interface Callbacks {
  onthreadchange?: () => void;
  onanswerend?: (message: Message) => void;
}

/** The conversation list, and which conversation is open. */
export class Conversations {
  /** As the API returned them, newest first; undefined until loaded. */
  #items = $state.raw<ConversationItem[]>();
  /** Conversations whose deletion can still be undone. */
  readonly pendingDeletes: PendingDeletes;
  hasMore = $state(false);
  /** Why the list could not be loaded, if there is none to show. */
  error = $state.raw<Error>();
  /** The open conversation. */
  thread: Thread = $state.raw() as Thread;

  /** The result of the last export. */
  exportResult = $state<SaveResult>();

  readonly #desktop: Deps['desktop'];
  readonly #deps: ThreadDeps;
  readonly #onthreadchange: () => void;
  /** Threads whose state the API does not have: one is being answered, or could not be sent. Also those that are not open. */
  #localThreads = $state.raw<readonly Thread[]>([]);

  /** `onthreadchange` is called when another thread is opened or the open one is saved; `onanswerend` for each answer that ends. */
  constructor({ desktop, ...deps }: Deps, draft: Draft, storage: Storage, { onthreadchange, onanswerend }: Callbacks = {}) {
    this.#desktop = desktop;
    this.#onthreadchange = onthreadchange ?? (() => undefined);
    this.pendingDeletes = new PendingDeletes(deps.sidecar, storage, (ids) => {
      this.#items = this.#items?.filter((item) => !ids.includes(item.id));
    });
    this.#deps = {
      ...deps,
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

  /** Whether the list could not be loaded. */
  get failed(): boolean {
    return this.error !== undefined;
  }

  /** Newest first, without pending deletes; undefined until loaded. */
  get items(): readonly ConversationItem[] | undefined {
    return this.#items?.filter(({ id }) => !this.pendingDeletes.has(id));
  }

  /** Whether an answer of this conversation is being generated. */
  isRunning(id: string): boolean {
    return this.#localThreads.some((thread) => thread.id === id && thread.running);
  }

  /** Conversations that the API does not have yet, newest first. */
  get unsent(): readonly Thread[] {
    return this.#localThreads.filter((thread) => thread.id === undefined);
  }

  /** Reloads the first page; items of later pages are kept. */
  async refresh(api?: Api): Promise<void> {
    await this.#loadPage(0, ({ items, has_more }) => {
      const end = items.at(-1)?.updated_at ?? '';
      const isBeyond = (item: ConversationItem) => has_more && item.updated_at <= end;
      const beyond = without(this.#items ?? [], items).filter(isBeyond);
      // The last page that was loaded knows whether there are more.
      if (beyond.length === 0) this.hasMore = has_more;
      this.#items = [...items, ...beyond];
    }, api);
  }

  /** Loads the next page. */
  async loadMore(): Promise<void> {
    const known = this.#items ?? [];
    await this.#loadPage(known.length, ({ items, has_more }) => {
      this.#items = [...known, ...without(items, known)];
      this.hasMore = has_more;
    });
  }

  /** Opens a new conversation. */
  startNew(): void {
    this.show(new Thread(this.#deps));
  }

  /** Opens a conversation, at a message if one is given. */
  async open(id: string, message?: string): Promise<void> {
    const localThread = this.#localThreads.find((thread) => thread.id === id);
    const isOpen = this.thread.id === id && this.thread.loadState !== 'failed';
    const thread = localThread ?? (isOpen ? this.thread : new Thread(this.#deps, id));
    this.show(thread);
    if (thread !== localThread && !isOpen) await thread.load();
    if (message !== undefined) await thread.scrollTo(message);
  }

  /** Removes a conversation from the list; it is deleted when the undo time is over. */
  remove(id: string): void {
    const item = this.#items?.find((item) => item.id === id);
    if (!item) return;
    for (const thread of this.#localThreads) if (thread.id === id) thread.stop();
    const isOpen = this.thread.id === id;
    if (isOpen) this.startNew();
    this.pendingDeletes.add({ id, title: item.title, thread: isOpen ? this.thread : undefined });
  }

  /** Restores the conversation that was deleted last, and opens it again unless a new one was started. */
  undoDelete(): void {
    const restored = this.pendingDeletes.undo();
    if (restored && restored.thread === this.thread && this.thread.messages.length === 0) void this.open(restored.id);
  }

  /** Restores all conversations that can still be restored. */
  undoAll(): void {
    while (this.pendingDeletes.count > 0) this.undoDelete();
  }

  /** Lets the user save a conversation as a file; `exportResult` has the result. */
  async export(id: string, format: ExportFormat): Promise<void> {
    this.exportResult = undefined;
    const error = await attempt(async () => {
      const { name, content } = await this.exportFile(id, format);
      this.exportResult = await this.#desktop.saveFile(name, content);
    });
    if (error) this.exportResult = 'failed';
  }

  /** A conversation as a file: its thread as Markdown, or all versions as JSON. Throws if it cannot be loaded. */
  async exportFile(id: string, format: ExportFormat): Promise<{ name: string; content: string }> {
    if (format === 'markdown') {
      const { conversation, thread } = await this.#loadAll(id);
      return { name: exportFileName(conversation, format), content: toMarkdown(conversation, thread) };
    }
    const signal = AbortSignal.timeout(TRANSFER_TIMEOUT_MS);
    const api = await this.#deps.sidecar.api(signal);
    const conversation = await api.conversation(id, { limit: 1 }, signal);
    const file: unknown = JSON.parse(await api.exportHistory({ format: 'json', conversation: id }, signal));
    return { name: exportFileName(conversation, format), content: `${JSON.stringify(file, null, 2)}\n` };
  }

  /** Loads a conversation with all messages of its thread. */
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

  /** Renames or pins a conversation. A change that fails is rolled back. */
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

  /** Opens a thread. */
  show(thread: Thread): void {
    this.thread = thread;
    this.#onthreadchange();
  }

  #threadChanged(thread: Thread): void {
    const otherThreads = this.#localThreads.filter((other) => other !== thread);
    const isLocal = thread.running !== undefined || thread.unsent.length > 0;
    this.#localThreads = isLocal ? [thread, ...otherThreads] : otherThreads;
  }

  async #loadPage(offset: number, apply: (page: Page) => void, api?: Api): Promise<void> {
    const error = await attempt(async () => {
      api ??= await this.#deps.sidecar.api(AbortSignal.timeout(TIMEOUT_MS));
      apply(await api.conversations({ limit: PAGE_SIZE, offset }));
    });
    // A stale list is better than none.
    this.error = this.#items === undefined || offset > 0 ? error : undefined;
  }
}

type Page = Awaited<ReturnType<Api['conversations']>>;

/** The items that are not among `others`. */
function without(items: readonly ConversationItem[], others: readonly ConversationItem[]): ConversationItem[] {
  const ids = new Set(others.map(({ id }) => id));
  return items.filter(({ id }) => !ids.has(id));
}
