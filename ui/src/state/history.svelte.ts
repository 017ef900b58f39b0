// History search by text, language, time and feedback.
import type { HistoryItem } from '../api/client';
import { attempt } from '../lib/attempt';
import { TIMEOUT_MS } from './thread.svelte';
import type { Sidecar } from './sidecar.svelte';

export type { HistoryItem };

export const spans = ['any', 'day', 'week', 'month', 'year'] as const;
export const feedbackFilters = ['any', 'positive', 'negative'] as const;
export type Span = (typeof spans)[number];
export type FeedbackFilter = (typeof feedbackFilters)[number];

/** Days of each span. */
const DAYS: Record<Exclude<Span, 'any'>, number> = { day: 1, week: 7, month: 30, year: 365 };

/** Timeout of an import or export of the history, in milliseconds. */
export const TRANSFER_TIMEOUT_MS = 300_000;

/** Items per page, and the debounce of typing in milliseconds. */
const PAGE_SIZE = 30;
const DEBOUNCE_MS = 200;

/** A search of the history. */
export class History {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  #search = $state('');
  #language = $state('');
  #span = $state<Span>('any');
  #feedback = $state<FeedbackFilter>('any');
  /** The results, newest first; undefined until loaded. */
  items = $state.raw<readonly HistoryItem[]>();
  total = $state(0);
  hasMore = $state(false);
  /** The error of the last request, if it failed. */
  error = $state.raw<Error>();
  /** The search text of the current results. */
  appliedSearch = $state('');
  #abort: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(sidecar: Pick<Sidecar, 'api'>) {
    this.#sidecar = sidecar;
  }

  /** Whether the last request failed. */
  get failed(): boolean {
    return this.error !== undefined;
  }

  /** The search text. */
  get search(): string {
    return this.#search;
  }

  set search(text: string) {
    this.#search = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.refresh(), DEBOUNCE_MS);
  }

  /** The programming language; empty for any. */
  get language(): string {
    return this.#language;
  }

  set language(language: string) {
    this.#language = language;
    void this.refresh();
  }

  /** The maximum age. */
  get span(): Span {
    return this.#span;
  }

  set span(span: Span) {
    this.#span = span;
    void this.refresh();
  }

  /** The feedback to filter by. */
  get feedback(): FeedbackFilter {
    return this.#feedback;
  }

  set feedback(feedback: FeedbackFilter) {
    this.#feedback = feedback;
    void this.refresh();
  }

  /** Runs the search from the first page. A newer search cancels an older one. */
  refresh(): Promise<void> {
    clearTimeout(this.#timer);
    return this.#loadPage(0);
  }

  /** Loads the next page. */
  loadMore(): Promise<void> {
    return this.#loadPage(this.items?.length ?? 0);
  }

  async #loadPage(offset: number): Promise<void> {
    this.#abort?.abort();
    const { signal } = (this.#abort = new AbortController());
    const search = this.#search.trim();
    const query = {
      limit: PAGE_SIZE,
      offset,
      ...(search && { search }),
      ...(this.#language && { language: this.#language }),
      ...(this.#span !== 'any' && { from: daysAgo(DAYS[this.#span]) }),
      ...(this.#feedback !== 'any' && { opinion: this.#feedback }),
    };
    const timer = setTimeout(() => this.#abort?.abort(), TIMEOUT_MS);
    const error = await attempt(async () => {
      const api = await this.#sidecar.api(signal);
      const { items, total_count, has_more } = await api.history(query, signal);
      if (signal.aborted) return;
      this.items = offset === 0 ? items : [...(this.items ?? []), ...items];
      [this.total, this.hasMore, this.appliedSearch, this.error] = [total_count, has_more, search, undefined];
    });
    clearTimeout(timer);
    if (error && this.#abort.signal === signal) this.error = error;
  }
}

function daysAgo(days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString();
}
