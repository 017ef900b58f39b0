// Pending deletes: conversations whose deletion can still be undone.
import type { Api } from '../api/client';
import { ApiError } from '../api/errors';
import { attempt } from '../lib/attempt';
import type { Sidecar } from './sidecar.svelte';
import { TIMEOUT_MS, type Thread } from './thread.svelte';

/** A deleted conversation that can be restored. */
export interface PendingDelete {
  id: string;
  title: string;
  /** The thread that was opened in its place, if it was open. */
  thread: Thread | undefined;
}

/** How long a deletion can be undone, in milliseconds. */
export const UNDO_MS = 10_000;

const STORAGE_KEY = 'hapa.removed';

/** The pending deletes, each with its own timer. They are stored, so that the next window deletes those of a closed one. */
export class PendingDeletes {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  readonly #storage: Storage;
  readonly #ondeleted: (ids: readonly string[]) => void;
  /** Can be undone, latest last. */
  #undoable = $state.raw<readonly PendingDelete[]>([]);
  /** Ids whose deletion is in progress. */
  #deleting = $state.raw<readonly string[]>([]);
  /** Why a deletion failed, until it is dismissed. */
  error = $state.raw<Error>();
  #timersPaused = false;
  /** The timer of each pending delete by id; undefined while timers are paused. */
  readonly #timers = new Map<string, ReturnType<typeof setTimeout> | undefined>();

  constructor(sidecar: Pick<Sidecar, 'api'>, storage: Storage, ondeleted: (ids: readonly string[]) => void) {
    this.#sidecar = sidecar;
    this.#storage = storage;
    this.#ondeleted = ondeleted;
    this.#deleting = parseIds(storage.getItem(STORAGE_KEY));
  }

  /** Whether a deletion failed. */
  get failed(): boolean {
    return this.error !== undefined;
  }

  /** The latest pending delete. */
  get last(): PendingDelete | undefined {
    return this.#undoable.at(-1);
  }

  /** How many can be undone. */
  get count(): number {
    return this.#undoable.length;
  }

  /** Whether a conversation is pending or being deleted. */
  has(id: string): boolean {
    return this.#deleting.includes(id) || this.#undoable.some((pending) => pending.id === id);
  }

  /** Adds a pending delete; the timers of others go on. */
  add(pending: PendingDelete): void {
    this.error = undefined;
    this.#undoable = [...this.#undoable, pending];
    this.#persist();
    this.#startTimer(pending.id);
  }

  /** Undoes the latest one. */
  undo(): PendingDelete | undefined {
    const { last } = this;
    if (last) this.#clearTimer(last.id);
    this.#undoable = this.#undoable.slice(0, -1);
    this.#persist();
    return last;
  }

  /** Pauses the timers while the notice is hovered or focused. */
  pauseTimers(): void {
    this.#timersPaused = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  /** Restarts the timers with the full time. */
  resumeTimers(): void {
    if (!this.#timersPaused) return;
    this.#timersPaused = false;
    for (const id of this.#timers.keys()) this.#startTimer(id);
  }

  /** Deletes what an earlier window left; pending deletes of this one stay. */
  deleteLeftovers(): Promise<void> {
    return this.#delete(this.#deleting);
  }

  /** Deletes everything now. With `keepalive` the requests outlive the page. */
  flush(keepalive = false): Promise<void> {
    return this.#delete([...this.#deleting, ...this.#undoable.map(({ id }) => id)], keepalive);
  }

  async #delete(ids: readonly string[], keepalive = false): Promise<void> {
    if (ids.length === 0) return;
    for (const id of ids) this.#clearTimer(id);
    this.#deleting = [...new Set([...this.#deleting, ...ids])];
    this.#undoable = this.#undoable.filter(({ id }) => !ids.includes(id));
    const deleted: string[] = [];
    const error = await attempt(async () => {
      const api = await this.#sidecar.api(AbortSignal.timeout(TIMEOUT_MS));
      const errors = await Promise.all(ids.map((id) => attempt(() => deleteConversation(api, id, keepalive))));
      deleted.push(...ids.filter((_, index) => errors[index] === undefined));
      for (const error of errors) if (error) throw error;
    });
    if (error) this.error = error;
    this.#ondeleted(deleted);
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

/** Deletes a conversation; one that no longer exists counts as deleted. */
async function deleteConversation(api: Api, id: string, keepalive: boolean): Promise<void> {
  try {
    await api.deleteConversation(id, keepalive);
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'NOT_FOUND')) throw error;
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
