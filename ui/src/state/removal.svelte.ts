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

/**
 * The removed conversations, each of which can be taken back for a while of its own. They are noted, so that a window which goes
 * away first leaves them to the next.
 */
export class Removal {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  readonly #storage: Storage;
  readonly #ondeleted: (ids: readonly string[]) => void;
  /** Removed and not deleted yet, the latest last. */
  #waiting = $state.raw<readonly Removed[]>([]);
  /** Whose deletion is under way. */
  #leaving = $state.raw<readonly string[]>([]);
  /** Whether a deletion failed. */
  failed = $state(false);
  #held = false;
  /** What ends the while of each that waits, by its id; nothing does while they are held. */
  readonly #timers = new Map<string, ReturnType<typeof setTimeout> | undefined>();

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

  /** How many can be taken back. */
  get count(): number {
    return this.#waiting.length;
  }

  /** Whether it is removed. */
  has(id: string): boolean {
    return this.#leaving.includes(id) || this.#waiting.some((removed) => removed.id === id);
  }

  /** Removes one more; those that wait already go when their own while is over. */
  add(removed: Removed): void {
    this.failed = false;
    this.#waiting = [...this.#waiting, removed];
    this.#note();
    this.#wait(removed.id);
  }

  /** Takes the last one back. */
  takeBack(): Removed | undefined {
    const { last } = this;
    if (last) this.#stop(last.id);
    this.#waiting = this.#waiting.slice(0, -1);
    this.#note();
    return last;
  }

  /** Nothing is deleted while somebody looks at what they can take back. */
  hold(): void {
    this.#held = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  /** They look elsewhere; what waits has its whole while again. */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    for (const id of this.#timers.keys()) this.#wait(id);
  }

  /** Deletes what an earlier window left; what waits here goes on waiting. */
  resume(): Promise<void> {
    return this.#delete(this.#leaving);
  }

  /** Deletes all of it now. `keepalive` where the window goes away meanwhile. */
  carryOut(keepalive = false): Promise<void> {
    return this.#delete([...this.#leaving, ...this.#waiting.map(({ id }) => id)], keepalive);
  }

  async #delete(ids: readonly string[], keepalive = false): Promise<void> {
    if (ids.length === 0) return;
    for (const id of ids) this.#stop(id);
    this.#leaving = [...new Set([...this.#leaving, ...ids])];
    this.#waiting = this.#waiting.filter(({ id }) => !ids.includes(id));
    const gone: string[] = [];
    try {
      const api = await this.#sidecar.api(AbortSignal.timeout(PATIENCE));
      const outcomes = await Promise.all(ids.map((id) => isDeleted(api, id, keepalive)));
      gone.push(...ids.filter((_, index) => outcomes[index]));
    } catch {
      // Nobody is there to delete anything.
    }
    if (gone.length < ids.length) this.failed = true;
    this.#ondeleted(gone);
    this.#leaving = this.#leaving.filter((id) => !ids.includes(id));
    this.#note();
  }

  #wait(id: string): void {
    this.#timers.set(id, this.#held ? undefined : setTimeout(() => void this.#delete([id]), RESPITE));
  }

  #stop(id: string): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
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
