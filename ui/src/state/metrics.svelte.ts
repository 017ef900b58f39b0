// Metrics of the last hour, request metrics by endpoint, and the error summary.
import type { EndpointMetrics, ErrorSummary, MetricsPoint } from '../api/client';
import { sleep } from './activeModel.svelte';
import type { Sidecar } from './sidecar.svelte';

export type { EndpointMetrics as Endpoint, ErrorSummary as Errors, MetricsPoint as Point };

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
  /** Whether the last poll failed. */
  failed = $state(false);
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

  /** Polls until {@link stopPolling}. */
  async startPolling(): Promise<void> {
    this.stopPolling();
    const { signal } = (this.#polling = new AbortController());
    while (!signal.aborted) {
      await this.#poll(signal);
      await sleep(POLL_MS, signal);
    }
  }

  /** Stops polling. */
  stopPolling(): void {
    this.#polling?.abort();
  }

  async #poll(signal: AbortSignal): Promise<void> {
    try {
      const api = await this.#sidecar.api(signal);
      const since = this.#points?.at(-1)?.at;
      const [series, { endpoints }, errors] = await Promise.all([api.metricsSeries(since, signal), api.endpointMetrics(signal), api.errorSummary(signal)]);
      if (signal.aborted) return;
      this.#apply(series.points);
      [this.interval, this.endpoints, this.errors, this.failed] = [series.interval_ms, endpoints, errors, false];
    } catch {
      if (!signal.aborted) this.failed = true;
    }
  }

  #apply(points: readonly MetricsPoint[]): void {
    const previous = this.#points ?? [];
    const latest = previous.at(-1)?.at ?? -Infinity;
    const merged = [...previous, ...points.filter(({ at }) => at > latest)];
    const last = merged.at(-1)?.at ?? 0;
    this.#points = merged.filter(({ at }) => at > last - RETENTION_MS);
  }
}
