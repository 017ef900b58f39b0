// The log as it grows, looked through by weight and by words.
import type { LogLine } from '../api/client';
import { pause } from './model.svelte';
import type { Sidecar } from './sidecar.svelte';
import { PATIENCE } from './thread.svelte';

export type { LogLine };

export const levels = ['any', 'info', 'warn', 'error'] as const;
/** The least weight that is shown. */
export type Level = (typeof levels)[number];

/** How many lines are asked for at a time, and how many are kept. */
const PAGE = 200;
const MOST = 2000;
/** How many pages are read at most to find an earlier line that is shown. */
const MOST_PAGES = 10;
/** Where the log is looked at. */
const LOOKING = '/api/v1/logs';
/** How often is looked, and how long is waited for another letter, in milliseconds. */
const OFTEN = 2000;
const TYPING = 200;

/** A look at the log. */
export class Logs {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  #level = $state<Level>('any');
  #search = $state('');
  /** The lines, the latest last; undefined until the API has told. */
  lines = $state.raw<readonly LogLine[]>();
  /** Where earlier lines are, if there are any. */
  #next = $state<number>();
  /** The place of the latest line that came, also of one that is not shown. */
  #last: number | undefined;
  /** Whether the API did not tell when it was last asked. */
  failed = $state(false);
  #watching: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(sidecar: Pick<Sidecar, 'api'>) {
    this.#sidecar = sidecar;
  }

  /** Whether there are earlier lines. */
  get hasMore(): boolean {
    return this.#next !== undefined;
  }

  get level(): Level {
    return this.#level;
  }

  set level(level: Level) {
    this.#level = level;
    this.#again();
  }

  /** Words that are looked for. */
  get search(): string {
    return this.#search;
  }

  set search(text: string) {
    this.#search = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#again(), TYPING);
  }

  /** Looks again and again until {@link rest}. */
  async watch(): Promise<void> {
    this.rest();
    const { signal } = (this.#watching = new AbortController());
    while (!signal.aborted) {
      await this.#look(signal);
      await pause(OFTEN, signal);
    }
  }

  /** Looks no more. */
  rest(): void {
    clearTimeout(this.#timer);
    this.#watching?.abort();
  }

  /** Reads earlier lines. */
  async more(): Promise<void> {
    const first = this.lines?.[0]?.cursor;
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      const api = await this.#sidecar.api(signal);
      for (let pages = 0; pages < MOST_PAGES && this.#next !== undefined; pages += 1) {
        const seen = await api.logs({ ...this.#query(), before: this.#next }, signal);
        // Meanwhile something else was looked for.
        if (this.lines === undefined || this.lines[0]?.cursor !== first) return;
        const lines = seen.lines.filter(isNews);
        [this.#next, this.lines] = [seen.next ?? undefined, [...lines, ...this.lines]];
        if (lines.length > 0) return;
      }
    } catch {
      this.failed = true;
    }
  }

  /** Begins anew, with other wishes. */
  #again(): void {
    [this.lines, this.#last] = [undefined, undefined];
    if (this.#watching && !this.#watching.signal.aborted) void this.watch();
  }

  async #look(signal: AbortSignal): Promise<void> {
    try {
      const api = await this.#sidecar.api(signal);
      const seen = await api.logs(this.#query(), signal);
      if (!signal.aborted) this.#take(seen);
    } catch {
      if (!signal.aborted) this.failed = true;
    }
  }

  /** Puts what is new behind what is known. Where too much has come to know what lies between, only what is new stays. */
  #take({ lines, next }: { lines: readonly LogLine[]; next?: number | null }): void {
    this.failed = false;
    const last = this.#last;
    this.#last = lines.at(-1)?.cursor ?? last;
    if (this.lines === undefined || last === undefined || !lines.some(({ cursor }) => cursor <= last)) {
      [this.lines, this.#next] = [lines.filter(isNews), next ?? undefined];
      return;
    }
    const fresh = lines.filter((line) => line.cursor > last && isNews(line));
    if (fresh.length === 0) return;
    const all = [...this.lines, ...fresh];
    if (all.length > MOST) this.#next = all.at(-MOST)?.cursor;
    this.lines = all.slice(-MOST);
  }

  #query() {
    const search = this.#search.trim();
    return { limit: PAGE, ...(this.#level !== 'any' && { level: this.#level }), ...(search && { search }) };
  }
}

/** Looking at the log is told in the log, which is no news to whoever looks. */
function isNews({ fields }: LogLine): boolean {
  return fields['endpoint'] !== LOOKING;
}

/** A line as text. */
export function textOf({ time, level, target, message, fields }: LogLine): string {
  const more = Object.entries(fields).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return [time, level.toUpperCase(), target, message, ...more].join(' ');
}
