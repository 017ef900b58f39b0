// Conversations that are off the list and soon deleted: until then they can be taken back.
import type { Api } from '../api/client';
import { Problem } from '../api/problem';
import type { Sidecar } from './sidecar.svelte';
import { PATIENCE, type Thread } from './thread.svelte';

/** A conversation that was removed. */
export interface Removed {
  id: string;
  title: string;
  /** What is on the screen in its place, if it was there. */
  thread: Thread | undefined;
}

/** How long a removal can be taken back, in milliseconds. */
export const RESPITE = 10_000;

const KEPT = 'hapa.removed';

/** The removed conversations. They are noted, so that a window which goes away first leaves them to the next. */
export class Removal {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  readonly #storage: Storage;
  readonly #ondeleted: (ids: readonly string[]) => void;
  /** Removed and not deleted yet, the latest last. */
  #waiting = $state.raw<readonly Removed[]>([]);
  /** Whose deletion is under way. */
  #leaving = $state.raw<readonly string[]>([]);
  /** Whether the last deletion failed. */
  failed = $state(false);
  #held = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(sidecar: Pick<Sidecar, 'api'>, storage: Storage, ondeleted: (ids: readonly string[]) => void) {
    this.#sidecar = sidecar;
    this.#storage = storage;
    this.#ondeleted = ondeleted;
    this.#leaving = idsIn(storage.getItem(KEPT));
  }

  /** The one that was removed last and can be taken back. */
  get last(): Removed | undefined {
    return this.#waiting.at(-1);
  }

  /** Whether it is removed. */
  has(id: string): boolean {
    return this.#leaving.includes(id) || this.#waiting.some((removed) => removed.id === id);
  }

  /** Removes one more; all that wait go together. */
  add(removed: Removed): void {
    this.failed = false;
    this.#waiting = [...this.#waiting, removed];
    this.#note();
    this.#wait();
  }

  /** Takes the last one back. */
  takeBack(): Removed | undefined {
    const { last } = this;
    this.#waiting = this.#waiting.slice(0, -1);
    this.#note();
    this.#wait();
    return last;
  }

  /** Nothing is deleted while somebody looks at what they can take back. */
  hold(): void {
    this.#held = true;
    clearTimeout(this.#timer);
  }

  /** They look elsewhere. */
  release(): void {
    this.#held = false;
    this.#wait();
  }

  /** Deletes what waits now, and what an earlier window left. `keepalive` where the window goes away meanwhile. */
  async carryOut(keepalive = false): Promise<void> {
    clearTimeout(this.#timer);
    const ids = [...this.#leaving, ...this.#waiting.map(({ id }) => id)];
    if (ids.length === 0) return;
    this.#leaving = ids;
    this.#waiting = [];
    const gone: string[] = [];
    try {
      const api = await this.#sidecar.api(AbortSignal.timeout(PATIENCE));
      const outcomes = await Promise.all(ids.map((id) => isDeleted(api, id, keepalive)));
      gone.push(...ids.filter((_, index) => outcomes[index]));
    } catch {
      // Nobody is there to delete anything.
    }
    this.failed = gone.length < ids.length;
    this.#ondeleted(gone);
    this.#leaving = this.#leaving.filter((id) => !ids.includes(id));
    this.#note();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    if (this.#waiting.length > 0 && !this.#held) this.#timer = setTimeout(() => void this.carryOut(), RESPITE);
  }

  #note(): void {
    const ids = [...this.#leaving, ...this.#waiting.map(({ id }) => id)];
    if (ids.length > 0) this.#storage.setItem(KEPT, JSON.stringify(ids));
    else this.#storage.removeItem(KEPT);
  }
}

/** Deletes a conversation; one that is not there any more is deleted. */
async function isDeleted(api: Api, id: string, keepalive: boolean): Promise<boolean> {
  try {
    await api.deleteConversation(id, keepalive);
    return true;
  } catch (error) {
    return error instanceof Problem && error.code === 'NOT_FOUND';
  }
}

function idsIn(json: string | null): string[] {
  try {
    const list: unknown = JSON.parse(json ?? '[]');
    return Array.isArray(list) ? list.filter((item) => typeof item === 'string') : [];
  } catch {
    return [];
  }
}
