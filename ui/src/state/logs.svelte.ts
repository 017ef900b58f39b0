// The log viewer: tails the log, filtered by level and text.
import type { LogLine } from '../api/client';
import { attempt } from '../lib/attempt';
import { poll } from '../lib/poll';
import type { Sidecar } from './sidecar.svelte';
import { TIMEOUT_MS } from './thread.svelte';

export type { LogLine };

export const levels = ['any', 'info', 'warn', 'error'] as const;
/** The minimum level. */
export type Level = (typeof levels)[number];

/** Lines per page, and the maximum kept. */
const PAGE_SIZE = 200;
const MAX_LINES = 2000;
/** Pages to read for one earlier visible line. */
const MAX_PAGES = 10;
/** The endpoint whose own requests are hidden. */
const LOGS_ENDPOINT = '/api/v1/logs';
/** Poll interval, and debounce of typing, in milliseconds. */
const POLL_MS = 2000;
const DEBOUNCE_MS = 200;

/** A view of the log. */
export class Logs {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  #level = $state<Level>('any');
  #search = $state('');
  /** The lines, newest last; undefined until loaded. */
  lines = $state.raw<readonly LogLine[]>();
  /** Cursor of earlier lines, if there are any. */
  #earlierCursor = $state<number>();
  /** Cursor of the latest line, also of a hidden one. */
  #latestCursor: number | undefined;
  /** The error of the last request, if it failed. */
  error = $state.raw<Error>();
  #polling: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(sidecar: Pick<Sidecar, 'api'>) {
    this.#sidecar = sidecar;
  }

  /** Whether the last request failed. */
  get failed(): boolean {
    return this.error !== undefined;
  }

  /** Whether there are earlier lines. */
  get hasMore(): boolean {
    return this.#earlierCursor !== undefined;
  }

  get level(): Level {
    return this.#level;
  }

  set level(level: Level) {
    this.#level = level;
    this.#restart();
  }

  /** The search text. */
  get search(): string {
    return this.#search;
  }

  set search(text: string) {
    this.#search = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#restart(), DEBOUNCE_MS);
  }

  /** Polls until {@link stopPolling}. */
  startPolling(): Promise<void> {
    this.stopPolling();
    const { signal } = (this.#polling = new AbortController());
    return poll({
      signal,
      interval: () => POLL_MS,
      fetch: async (signal) => (await this.#sidecar.api(signal)).logs(this.#query(), signal),
      apply: (page) => this.#apply(page),
      onerror: (error) => (this.error = error),
    });
  }

  /** Stops polling. */
  stopPolling(): void {
    clearTimeout(this.#timer);
    this.#polling?.abort();
  }

  /** Loads earlier lines. */
  async loadEarlier(): Promise<void> {
    const first = this.lines?.[0]?.cursor;
    const error = await attempt(async () => {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const api = await this.#sidecar.api(signal);
      for (let pages = 0; pages < MAX_PAGES && this.#earlierCursor !== undefined; pages += 1) {
        const page = await api.logs({ ...this.#query(), before: this.#earlierCursor }, signal);
        // The filter has changed meanwhile.
        if (this.lines === undefined || this.lines[0]?.cursor !== first) return;
        const lines = page.lines.filter(isRelevant);
        [this.#earlierCursor, this.lines] = [page.next ?? undefined, [...lines, ...this.lines]];
        if (lines.length > 0) return;
      }
    });
    if (error) this.error = error;
  }

  /** Starts over with another filter. */
  #restart(): void {
    [this.lines, this.#latestCursor] = [undefined, undefined];
    if (this.#polling && !this.#polling.signal.aborted) void this.startPolling();
  }

  /** Appends new lines. If more lines arrived than a page holds, the old ones are dropped: there would be a gap. */
  #apply({ lines, next }: { lines: readonly LogLine[]; next?: number | null }): void {
    this.error = undefined;
    const last = this.#latestCursor;
    this.#latestCursor = lines.at(-1)?.cursor ?? last;
    if (this.lines === undefined || last === undefined || !lines.some(({ cursor }) => cursor <= last)) {
      [this.lines, this.#earlierCursor] = [lines.filter(isRelevant), next ?? undefined];
      return;
    }
    const added = lines.filter((line) => line.cursor > last && isRelevant(line));
    if (added.length === 0) return;
    const all = [...this.lines, ...added];
    if (all.length > MAX_LINES) this.#earlierCursor = all.at(-MAX_LINES)?.cursor;
    this.lines = all.slice(-MAX_LINES);
  }

  #query() {
    const search = this.#search.trim();
    return { limit: PAGE_SIZE, ...(this.#level !== 'any' && { level: this.#level }), ...(search && { search }) };
  }
}

/** Whether a line is shown: requests of the log viewer itself are logged too, and hidden. */
function isRelevant({ fields }: LogLine): boolean {
  return fields['endpoint'] !== LOGS_ENDPOINT;
}

/** A line as text. */
export function formatLine({ time, level, target, message, fields }: LogLine): string {
  const more = Object.entries(fields).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return [time, level.toUpperCase(), target, message, ...more].join(' ');
}
