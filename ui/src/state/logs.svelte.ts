// The log as it grows, looked through by weight and by words.
import type { LogLine } from '../api/client';
import { sleep } from './activeModel.svelte';
import type { Sidecar } from './sidecar.svelte';
import { TIMEOUT_MS } from './thread.svelte';

export type { LogLine };

export const levels = ['any', 'info', 'warn', 'error'] as const;
/** The least weight that is shown. */
export type Level = (typeof levels)[number];

/** How many lines are asked for at a time, and how many are kept. */
const PAGE_SIZE = 200;
const MAX_LINES = 2000;
/** How many pages are read at most to find an earlier line that is shown. */
const MAX_PAGES = 10;
/** Where the log is looked at. */
const LOGS_ENDPOINT = '/api/v1/logs';
/** How often is looked, and how long is waited for another letter, in milliseconds. */
const POLL_MS = 2000;
const DEBOUNCE_MS = 200;

/** A look at the log. */
export class Logs {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  #level = $state<Level>('any');
  #search = $state('');
  /** The lines, the latest last; undefined until the API has told. */
  lines = $state.raw<readonly LogLine[]>();
  /** Where earlier lines are, if there are any. */
  #earlierCursor = $state<number>();
  /** The place of the latest line that came, also of one that is not shown. */
  #latestCursor: number | undefined;
  /** Whether the API did not tell when it was last asked. */
  failed = $state(false);
  #polling: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(sidecar: Pick<Sidecar, 'api'>) {
    this.#sidecar = sidecar;
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

  /** Words that are looked for. */
  get search(): string {
    return this.#search;
  }

  set search(text: string) {
    this.#search = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#restart(), DEBOUNCE_MS);
  }

  /** Looks again and again until {@link stopPolling}. */
  async startPolling(): Promise<void> {
    this.stopPolling();
    const { signal } = (this.#polling = new AbortController());
    while (!signal.aborted) {
      await this.#poll(signal);
      await sleep(POLL_MS, signal);
    }
  }

  /** Looks no more. */
  stopPolling(): void {
    clearTimeout(this.#timer);
    this.#polling?.abort();
  }

  /** Reads earlier lines. */
  async loadEarlier(): Promise<void> {
    const first = this.lines?.[0]?.cursor;
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const api = await this.#sidecar.api(signal);
      for (let pages = 0; pages < MAX_PAGES && this.#earlierCursor !== undefined; pages += 1) {
        const seen = await api.logs({ ...this.#query(), before: this.#earlierCursor }, signal);
        // Meanwhile something else was looked for.
        if (this.lines === undefined || this.lines[0]?.cursor !== first) return;
        const lines = seen.lines.filter(isRelevant);
        [this.#earlierCursor, this.lines] = [seen.next ?? undefined, [...lines, ...this.lines]];
        if (lines.length > 0) return;
      }
    } catch {
      this.failed = true;
    }
  }

  /** Begins anew, with other wishes. */
  #restart(): void {
    [this.lines, this.#latestCursor] = [undefined, undefined];
    if (this.#polling && !this.#polling.signal.aborted) void this.startPolling();
  }

  async #poll(signal: AbortSignal): Promise<void> {
    try {
      const api = await this.#sidecar.api(signal);
      const seen = await api.logs(this.#query(), signal);
      if (!signal.aborted) this.#apply(seen);
    } catch {
      if (!signal.aborted) this.failed = true;
    }
  }

  /** Puts what is new behind what is known. Where too much has come to know what lies between, only what is new stays. */
  #apply({ lines, next }: { lines: readonly LogLine[]; next?: number | null }): void {
    this.failed = false;
    const last = this.#latestCursor;
    this.#latestCursor = lines.at(-1)?.cursor ?? last;
    if (this.lines === undefined || last === undefined || !lines.some(({ cursor }) => cursor <= last)) {
      [this.lines, this.#earlierCursor] = [lines.filter(isRelevant), next ?? undefined];
      return;
    }
    const fresh = lines.filter((line) => line.cursor > last && isRelevant(line));
    if (fresh.length === 0) return;
    const all = [...this.lines, ...fresh];
    if (all.length > MAX_LINES) this.#earlierCursor = all.at(-MAX_LINES)?.cursor;
    this.lines = all.slice(-MAX_LINES);
  }

  #query() {
    const search = this.#search.trim();
    return { limit: PAGE_SIZE, ...(this.#level !== 'any' && { level: this.#level }), ...(search && { search }) };
  }
}

/** Looking at the log is told in the log, which is no news to whoever looks. */
function isRelevant({ fields }: LogLine): boolean {
  return fields['endpoint'] !== LOGS_ENDPOINT;
}

/** A line as text. */
export function formatLine({ time, level, target, message, fields }: LogLine): string {
  const more = Object.entries(fields).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return [time, level.toUpperCase(), target, message, ...more].join(' ');
}
