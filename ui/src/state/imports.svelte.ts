// Model files of the user's own on their way to HAPA, one after the other.
import { isAbort } from '../api/client';
import { ApiError } from '../api/errors';
import type { Sidecar } from './sidecar.svelte';

/** How long is waited for a sidecar to send to, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** A file on its way; `checking` is what HAPA does once it has all of it. */
export class Import {
  readonly file: File;
  state = $state<'waiting' | 'sending' | 'checking' | 'done' | 'failed'>('waiting');
  /** Bytes that have gone out. */
  sentBytes = $state(0);
  /** What is wrong, in the API's words; undefined where nobody answered. */
  message = $state<string>();
  /** Whether sending it again would change nothing. */
  notRetryable = $state(false);
  readonly abort = new AbortController();

  constructor(file: File) {
    this.file = file;
  }
}

/** The files that were chosen, until they are put away. */
export class Imports {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  readonly #ondone: () => void;
  readonly #notGguf: () => string;
  items = $state.raw<readonly Import[]>([]);
  #busy = false;

  /** `ondone` is called when a model has come; `notGguf` says that a file is something else. */
  constructor(sidecar: Pick<Sidecar, 'api'>, ondone: () => void, notGguf: () => string) {
    this.#sidecar = sidecar;
    this.#ondone = ondone;
    this.#notGguf = notGguf;
  }

  /** The file that is being brought now. */
  get running(): Import | undefined {
    return this.items.find(({ state }) => state === 'sending' || state === 'checking');
  }

  /** Brings files. Those that are no models by their names are told of at once. */
  add(files: readonly File[]): void {
    const items = files.map((file) => {
      const item = new Import(file);
      if (!/\.gguf$/i.test(file.name)) [item.state, item.message, item.notRetryable] = ['failed', this.#notGguf(), true];
      return item;
    });
    this.items = [...this.items, ...items];
    void this.#run();
  }

  /** Brings a file again. */
  retry(item: Import): void {
    const fresh = new Import(item.file);
    this.items = this.items.map((other) => (other === item ? fresh : other));
    void this.#run();
  }

  /** Stops bringing a file, or takes it off the list. */
  remove(item: Import): void {
    item.abort.abort();
    this.items = this.items.filter((other) => other !== item);
  }

  async #run(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let next = this.#next(); next; next = this.#next()) await this.#upload(next);
    this.#busy = false;
  }

  #next(): Import | undefined {
    return this.items.find(({ state }) => state === 'waiting');
  }

  async #upload(item: Import): Promise<void> {
    item.state = 'sending';
    const hear = (sent: number) => {
      item.sentBytes = sent;
      if (sent >= item.file.size) item.state = 'checking';
    };
    try {
      const api = await this.#sidecar.api(AbortSignal.timeout(TIMEOUT_MS));
      await api.importModel(item.file, hear, item.abort.signal);
      item.state = 'done';
      this.#ondone();
    } catch (error) {
      if (isAbort(error) && item.abort.signal.aborted) return;
      item.message = error instanceof ApiError ? error.message : undefined;
      item.notRetryable = error instanceof ApiError && error.code === 'VALIDATION_ERROR';
      item.state = 'failed';
    }
  }
}
