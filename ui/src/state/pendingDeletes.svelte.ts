// Conversations that are off the list and soon deleted: until then they can be taken back.
import type { Api } from '../api/client';
import { ApiError } from '../api/errors';
import type { Sidecar } from './sidecar.svelte';
import { TIMEOUT_MS, type Thread } from './thread.svelte';

/** A conversation that was removed. */
export interface PendingDelete {
  id: string;
  title: string;
  /** What is on the screen in its place, if it was there. */
  thread: Thread | undefined;
}

/** How long a removal can be taken back, in milliseconds. */
export const UNDO_MS = 10_000;

const STORAGE_KEY = 'hapa.removed';

/**
 * The removed conversations, each of which can be taken back for a while of its own. They are noted, so that a window which goes
 * away first leaves them to the next.
 */
export class PendingDeletes {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  readonly #storage: Storage;
  readonly #ondeleted: (ids: readonly string[]) => void;
  /** Removed and not deleted yet, the latest last. */
  #undoable = $state.raw<readonly PendingDelete[]>([]);
  /** Whose deletion is under way. */
  #deleting = $state.raw<readonly string[]>([]);
  /** Whether a deletion failed. */
  failed = $state(false);
  #timersPaused = false;
  /** What ends the while of each that waits, by its id; nothing does while they are held. */
  readonly #timers = new Map<string, ReturnType<typeof setTimeout> | undefined>();

  constructor(sidecar: Pick<Sidecar, 'api'>, storage: Storage, ondeleted: (ids: readonly string[]) => void) {
    this.#sidecar = sidecar;
    this.#storage = storage;
    this.#ondeleted = ondeleted;
    this.#deleting = parseIds(storage.getItem(STORAGE_KEY));
  }

  /** The one that was removed last and can be taken back. */
  get last(): PendingDelete | undefined {
    return this.#undoable.at(-1);
  }

  /** How many can be taken back. */
  get count(): number {
    return this.#undoable.length;
  }

  /** Whether it is removed. */
  has(id: string): boolean {
    return this.#deleting.includes(id) || this.#undoable.some((removed) => removed.id === id);
  }

  /** Removes one more; those that wait already go when their own while is over. */
  add(removed: PendingDelete): void {
    this.failed = false;
    this.#undoable = [...this.#undoable, removed];
    this.#persist();
    this.#startTimer(removed.id);
  }

  /** Takes the last one back. */
  undo(): PendingDelete | undefined {
    const { last } = this;
    if (last) this.#clearTimer(last.id);
    this.#undoable = this.#undoable.slice(0, -1);
    this.#persist();
    return last;
  }

  /** Nothing is deleted while somebody looks at what they can take back. */
  pauseTimers(): void {
    this.#timersPaused = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  /** They look elsewhere; what waits has its whole while again. */
  resumeTimers(): void {
    if (!this.#timersPaused) return;
    this.#timersPaused = false;
    for (const id of this.#timers.keys()) this.#startTimer(id);
  }

  /** Deletes what an earlier window left; what waits here goes on waiting. */
  deleteLeftovers(): Promise<void> {
    return this.#delete(this.#deleting);
  }

  /** Deletes all of it now. `keepalive` where the window goes away meanwhile. */
  flush(keepalive = false): Promise<void> {
    return this.#delete([...this.#deleting, ...this.#undoable.map(({ id }) => id)], keepalive);
  }

  async #delete(ids: readonly string[], keepalive = false): Promise<void> {
    if (ids.length === 0) return;
    for (const id of ids) this.#clearTimer(id);
    this.#deleting = [...new Set([...this.#deleting, ...ids])];
    this.#undoable = this.#undoable.filter(({ id }) => !ids.includes(id));
    const gone: string[] = [];
    try {
      const api = await this.#sidecar.api(AbortSignal.timeout(TIMEOUT_MS));
      const outcomes = await Promise.all(ids.map((id) => tryDelete(api, id, keepalive)));
      gone.push(...ids.filter((_, index) => outcomes[index]));
    } catch {
      // Nobody is there to delete anything.
    }
    if (gone.length < ids.length) this.failed = true;
    this.#ondeleted(gone);
    this.#deleting = this.#deleting.filter((id) => !ids.includes(id));
    this.#persist();
  }

  #startTimer(id: string): void {
    this.#timers.set(id, this.#timersPaused ? undefined : setTimeout(() => void this.#delete([id]), UNDO_MS));
  }

  #clearTimer(id: string): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }

  #persist(): void {
    const ids = [...this.#deleting, ...this.#undoable.map(({ id }) => id)];
    if (ids.length > 0) this.#storage.setItem(STORAGE_KEY, JSON.stringify(ids));
    else this.#storage.removeItem(STORAGE_KEY);
  }
}

/** Deletes a conversation; one that is not there any more is deleted. */
async function tryDelete(api: Api, id: string, keepalive: boolean): Promise<boolean> {
  try {
    await api.deleteConversation(id, keepalive);
    return true;
  } catch (error) {
    return error instanceof ApiError && error.code === 'NOT_FOUND';
  }
}

function parseIds(json: string | null): string[] {
  try {
    const list: unknown = JSON.parse(json ?? '[]');
    return Array.isArray(list) ? list.filter((item) => typeof item === 'string') : [];
  } catch {
    return [];
  }
}
