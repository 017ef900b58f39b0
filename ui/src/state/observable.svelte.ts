// A reactive value that can also be awaited.

type Test<T, U extends T> = (value: T) => value is U;

/** Reading `value` in a component tracks it; `until` awaits it outside of components. */
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
    for (const check of [...this.#waiters]) check();
  }

  /** The first value that passes `test`, from now on. Rejects when `signal` is aborted. */
  until<U extends T>(test: Test<T, U>, signal: AbortSignal): Promise<U> {
    return new Promise((resolve, reject) => {
      const cleanUp = () => {
        this.#waiters.delete(check);
        signal.removeEventListener('abort', onabort);
      };
      const onabort = () => {
        cleanUp();
        reject(signal.reason as Error);
      };
      const check = () => {
        const value = this.#value;
        if (!test(value)) return;
        cleanUp();
        resolve(value);
      };
      if (signal.aborted) return onabort();
      signal.addEventListener('abort', onabort);
      this.#waiters.add(check);
      check();
    });
  }
}
