// Token counter of the draft: the API counts the prompt a moment after each change.
import type { GenerateRequest, TokenCount } from '../api/client';
import type { Sidecar } from './sidecar.svelte';

export type { TokenCount };

/** Debounce of typing, and timeout of a count, in milliseconds. */
const DEBOUNCE_MS = 350;
const TIMEOUT_MS = 10_000;

/** Counts after each {@link refresh}; a newer count cancels an older one. */
export class TokenCounter {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  readonly #pendingRequest: () => GenerateRequest | undefined;
  /** The last count; undefined without a draft or a model. */
  count = $state.raw<TokenCount>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #abort: AbortController | undefined;

  /** `pendingRequest` is the request of the current draft; undefined if it is empty. */
  constructor(sidecar: Pick<Sidecar, 'api'>, pendingRequest: () => GenerateRequest | undefined) {
    this.#sidecar = sidecar;
    this.#pendingRequest = pendingRequest;
  }

  /** The draft has changed. */
  refresh(): void {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#timer = setTimeout(() => void this.#countNow(), DEBOUNCE_MS);
  }

  /** The prompt's fraction of the context, 0 to 1 and above; undefined if the limit is unknown. */
  get ratio(): number | undefined {
    return this.count?.limit ? this.count.prompt_tokens / this.count.limit : undefined;
  }

  /** Tokens of each file by its index, if counted. */
  tokensOf(index: number): number | undefined {
    return this.count?.files[index]?.tokens;
  }

  /** Whether a file exceeds the context, after those before it. */
  exceedsLimit(index: number): boolean {
    const { count } = this;
    if (!count || count.fits || !count.limit) return false;
    const fileTokens = count.files.reduce((sum, { tokens }) => sum + tokens, 0);
    const limit = count.limit - (count.prompt_tokens - fileTokens);
    const tokensUpTo = count.files.slice(0, index + 1).reduce((sum, { tokens }) => sum + tokens, 0);
    return tokensUpTo > limit;
  }

  async #countNow(): Promise<void> {
    const request = this.#pendingRequest();
    if (!request) {
      this.count = undefined;
      return;
    }
    const abort = (this.#abort = new AbortController());
    const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
    try {
      const api = await this.#sidecar.api(abort.signal);
      const count = await api.countTokens(request, abort.signal);
      if (!abort.signal.aborted) this.count = count;
    } catch {
      // A count that was superseded leaves the figure to the next.
      if (this.#abort === abort) this.count = undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}
