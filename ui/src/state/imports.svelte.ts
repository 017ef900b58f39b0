// Imports of model files, one after the other.
import { isAbort } from '../api/client';
import { ApiError } from '../api/errors';
import type { Sidecar } from './sidecar.svelte';

/** How long to wait for a sidecar, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** A file that is being imported; `checking` is the sidecar's validation after the upload. */
export class Import {
  readonly file: File;
  state = $state<'waiting' | 'sending' | 'checking' | 'done' | 'failed'>('waiting');
  /** Bytes sent so far. */
  sentBytes = $state(0);
  /** The error message of the API; undefined if it did not respond. */
  message = $state<string>();
  /** Whether a retry would fail again. */
  notRetryable = $state(false);
  readonly abort = new AbortController();

  constructor(file: File) {
    this.file = file;
  }
}

/** The queue of imports, until they are removed. */
export class Imports {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  readonly #ondone: () => void;
  readonly #notGguf: () => string;
  items = $state.raw<readonly Import[]>([]);
  #busy = false;

  /** `ondone` is called for each imported model; `notGguf` is the message for other files. */
  constructor(sidecar: Pick<Sidecar, 'api'>, ondone: () => void, notGguf: () => string) {
    this.#sidecar = sidecar;
    this.#ondone = ondone;
    this.#notGguf = notGguf;
  }

  /** The current import. */
  get running(): Import | undefined {
    return this.items.find(({ state }) => state === 'sending' || state === 'checking');
  }

  /** Queues files. A file without the extension `.gguf` fails at once. */
  add(files: readonly File[]): void {
    const items = files.map((file) => {
      const item = new Import(file);
      if (!/\.gguf$/i.test(file.name)) [item.state, item.message, item.notRetryable] = ['failed', this.#notGguf(), true];
      return item;
    });
    this.items = [...this.items, ...items];
    void this.#run();
  }

  /** Imports a file again. */
  retry(item: Import): void {
    const retried = new Import(item.file);
    this.items = this.items.map((other) => (other === item ? retried : other));
    void this.#run();
  }

  /** Cancels an import, or removes it from the list. */
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
    const onprogress = (sent: number) => {
      item.sentBytes = sent;
      if (sent >= item.file.size) item.state = 'checking';
    };
    try {
      const api = await this.#sidecar.api(AbortSignal.timeout(TIMEOUT_MS));
      await api.importModel(item.file, onprogress, item.abort.signal);
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
