// A value that can be shown and waited for.

type Test<T, U extends T> = (value: T) => value is U;

/** Reading `value` in a component keeps it up to date; `until` waits for it outside of components. */
export class Observable<T> {
  #value = $state.raw() as T;
  #waiters = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set value(value: T) {
    this.#value = value;
    for (const look of [...this.#waiters]) look();
  }

  /** The first value from now on that passes `test`. Rejects when `signal` is aborted. */
  until<U extends T>(test: Test<T, U>, signal: AbortSignal): Promise<U> {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#waiters.delete(look);
        signal.removeEventListener('abort', aborted);
      };
      const aborted = () => {
        end();
        reject(signal.reason as Error);
      };
      const look = () => {
        const value = this.#value;
        if (!test(value)) return;
        end();
        resolve(value);
      };
      if (signal.aborted) return aborted();
      signal.addEventListener('abort', aborted);
      this.#waiters.add(look);
      look();
    });
  }
}
