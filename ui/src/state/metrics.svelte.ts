// Metrics of the last hour, request metrics by endpoint, and the error summary.
import type { EndpointMetrics, ErrorSummary, MetricsPoint } from '../api/client';
import { poll } from '../lib/poll';
import type { Sidecar } from './sidecar.svelte';

export type { EndpointMetrics, ErrorSummary, MetricsPoint };

/** Poll interval, and how long points are kept, in milliseconds. */
const POLL_MS = 5000;
const RETENTION_MS = 3_600_000;

/** The time ranges, in minutes. */
export const ranges = [5, 15, 60] as const;
export type Range = (typeof ranges)[number];

/** Metrics while they are polled. */
export class Metrics {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  /** The points, oldest first; undefined until loaded. */
  #points = $state.raw<readonly MetricsPoint[]>();
  /** Milliseconds between two points. */
  interval = $state(POLL_MS);
  endpoints = $state.raw<readonly EndpointMetrics[]>([]);
  errors = $state.raw<ErrorSummary>();
  range = $state<Range>(15);
  /** The error of the last poll, if it failed. */
  error = $state.raw<Error>();
  #polling: AbortController | undefined;

  constructor(sidecar: Pick<Sidecar, 'api'>) {
    this.#sidecar = sidecar;
  }

  /** The points of the range, oldest first. */
  get points(): readonly MetricsPoint[] | undefined {
    const latest = this.#points?.at(-1)?.at ?? 0;
    return this.#points?.filter(({ at }) => at > latest - this.range * 60_000);
  }

  /** Milliseconds per sample, so that a range has about sixty of them. */
  get step(): number {
    return Math.max(this.interval, this.range * 1000);
  }

  /** Whether the last poll failed. */
  get failed(): boolean {
    return this.error !== undefined;
  }

  /** Polls until {@link stopPolling}. */
  startPolling(): Promise<void> {
    this.stopPolling();
    const { signal } = (this.#polling = new AbortController());
    return poll({
      signal,
      interval: () => POLL_MS,
      fetch: (signal) => this.#fetch(signal),
      apply: ([series, { endpoints }, errors]) => {
        this.#append(series.points);
        [this.interval, this.endpoints, this.errors, this.error] = [series.interval_ms, endpoints, errors, undefined];
      },
      onerror: (error) => (this.error = error),
    });
  }

  /** Stops polling. */
  stopPolling(): void {
    this.#polling?.abort();
  }

  async #fetch(signal: AbortSignal) {
    const api = await this.#sidecar.api(signal);
    const since = this.#points?.at(-1)?.at;
    return Promise.all([api.metricsSeries(since, signal), api.endpointMetrics(signal), api.errorSummary(signal)]);
  }

  #append(points: readonly MetricsPoint[]): void {
    const previous = this.#points ?? [];
    const latest = previous.at(-1)?.at ?? -Infinity;
    const merged = [...previous, ...points.filter(({ at }) => at > latest)];
    const last = merged.at(-1)?.at ?? 0;
    this.#points = merged.filter(({ at }) => at > last - RETENTION_MS);
  }
}
