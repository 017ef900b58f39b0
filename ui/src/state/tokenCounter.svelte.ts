// How much room the question being written takes in the model's context, counted by the API a moment after each change.
import type { GenerateRequest, TokenCount } from '../api/client';
import type { Sidecar } from './sidecar.svelte';

export type { TokenCount };

/** How long is waited for another letter, and for an answer, in milliseconds. */
const DEBOUNCE_MS = 350;
const TIMEOUT_MS = 10_000;

/** Asks anew after each {@link refresh}; a newer question ends an older one. */
export class TokenCounter {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  readonly #pendingRequest: () => GenerateRequest | undefined;
  /** What was counted last; undefined where nothing is written, or nobody can count. */
  count = $state.raw<TokenCount>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #abort: AbortController | undefined;

  /** `written` is what would be asked now; undefined for nothing. */
  constructor(sidecar: Pick<Sidecar, 'api'>, written: () => GenerateRequest | undefined) {
    this.#sidecar = sidecar;
    this.#pendingRequest = written;
  }

  /** Something has changed. */
  refresh(): void {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#timer = setTimeout(() => void this.#countNow(), DEBOUNCE_MS);
  }

  /** The share of the context that the prompt takes, 0 to 1 and above; undefined where the limit is not known. */
  get ratio(): number | undefined {
    return this.count?.limit ? this.count.prompt_tokens / this.count.limit : undefined;
  }

  /** Tokens of each file by its place, where they were counted. */
  tokensOf(index: number): number | undefined {
    return this.count?.files[index]?.tokens;
  }

  /** Whether there is no room for a file, those before it being taken first. */
  exceedsLimit(index: number): boolean {
    const { count } = this;
    if (!count || count.fits || !count.limit) return false;
    const whole = count.files.reduce((sum, { tokens }) => sum + tokens, 0);
    const room = count.limit - (count.prompt_tokens - whole);
    const upTo = count.files.slice(0, index + 1).reduce((sum, { tokens }) => sum + tokens, 0);
    return upTo > room;
  }

  async #countNow(): Promise<void> {
    const request = this.#pendingRequest();
    if (!request) {
      this.count = undefined;
      return;
    }
    const asking = (this.#abort = new AbortController());
    const timer = setTimeout(() => asking.abort(), TIMEOUT_MS);
    try {
      const api = await this.#sidecar.api(asking.signal);
      const count = await api.countTokens(request, asking.signal);
      if (!asking.signal.aborted) this.count = count;
    } catch {
      // One that was overtaken leaves the figure to the next.
      if (this.#abort === asking) this.count = undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}
