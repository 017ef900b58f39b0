// What the window remembers, kept by the desktop: a web view writes its own storage only now and then, and loses what was typed
// just before it was killed.

/** A `Storage` whose values somebody else keeps. */
export class PersistedStorage implements Storage {
  readonly #values: Map<string, string>;
  readonly #persist: (name: string, value: string | null) => Promise<void>;

  /** `values` are those that are kept already; `keep` keeps one more, or forgets it. */
  constructor(values: Record<string, string>, keep: (name: string, value: string | null) => Promise<void>) {
    this.#values = new Map(Object.entries(values));
    this.#persist = keep;
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

  /** Another window has set a value, or removed it. Whoever listens for what happens to a storage hears of it. */
  applyExternal(name: string, value: string | null): void {
    if (value === null) this.#values.delete(name);
    else this.#values.set(name, value);
    window.dispatchEvent(new StorageEvent('storage', { key: name, newValue: value }));
  }

  clear(): void {
    for (const name of [...this.#values.keys()]) this.removeItem(name);
  }

  /** Each value goes out at once: what waited for an answer to the one before would be lost by a sudden end. They arrive in order. */
  async #send(name: string): Promise<void> {
    try {
      await this.#persist(name, this.getItem(name));
    } catch {
      // It is still remembered here, and goes out with the next change.
    }
  }
}
