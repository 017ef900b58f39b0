// A key-value store that the desktop app writes to disk: a web view flushes its own storage rarely, and loses what was typed just before
// it was killed.

/** A `Storage` whose values the host persists. */
export class PersistedStorage implements Storage {
  readonly #values: Map<string, string>;
  readonly #persist: (name: string, value: string | null) => Promise<void>;

  /** `values` are the stored ones; `persist` writes one, or deletes it for null. */
  constructor(values: Record<string, string>, persist: (name: string, value: string | null) => Promise<void>) {
    this.#values = new Map(Object.entries(values));
    this.#persist = persist;
  }

  get length(): number {
    return this.#values.size;
  }

  key(index: number): string | null {
    return [...this.#values.keys()][index] ?? null;
  }

  getItem(name: string): string | null {
    return this.#values.get(name) ?? null;
  }

  setItem(name: string, value: string): void {
    if (this.#values.get(name) === value) return;
    this.#values.set(name, value);
    void this.#send(name);
  }

  removeItem(name: string): void {
    if (this.#values.delete(name)) void this.#send(name);
  }

  /** Applies a change of another window, and dispatches a `storage` event as browsers do. */
  applyExternal(name: string, value: string | null): void {
    if (value === null) this.#values.delete(name);
    else this.#values.set(name, value);
    window.dispatchEvent(new StorageEvent('storage', { key: name, newValue: value }));
  }

  clear(): void {
    for (const name of [...this.#values.keys()]) this.removeItem(name);
  }

  /** Each value is sent at once: waiting for the previous write would lose it on a sudden exit. Writes arrive in order. */
  async #send(name: string): Promise<void> {
    try {
      await this.#persist(name, this.getItem(name));
    } catch {
      // The value stays in memory and is sent with the next change.
    }
  }
}
