// How HAPA has done of late: figures over the last hour, requests by endpoint, and errors.
import type { EndpointMetrics, ErrorSummary, MetricsPoint } from '../api/client';
import { sleep } from './activeModel.svelte';
import type { Sidecar } from './sidecar.svelte';

export type { EndpointMetrics as Endpoint, ErrorSummary as Errors, MetricsPoint as Point };

/** How often is looked, and how long the figures are kept, in milliseconds. */
const POLL_MS = 5000;
const RETENTION_MS = 3_600_000;

/** Minutes that can be looked at. */
export const ranges = [5, 15, 60] as const;
export type Range = (typeof ranges)[number];

/** What the API tells, for as long as somebody looks. */
export class Metrics {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  /** The figures, the oldest first; undefined until the API has told. */
  #points = $state.raw<readonly MetricsPoint[]>();
  /** Milliseconds between two of them. */
  interval = $state(POLL_MS);
  endpoints = $state.raw<readonly EndpointMetrics[]>([]);
  errors = $state.raw<ErrorSummary>();
  range = $state<Range>(15);
  /** Whether the API did not tell when it was last asked. */
  failed = $state(false);
  #polling: AbortController | undefined;

  constructor(sidecar: Pick<Sidecar, 'api'>) {
    this.#sidecar = sidecar;
  }

  /** The figures of the range, the oldest first. */
  get points(): readonly MetricsPoint[] | undefined {
    const end = this.#points?.at(-1)?.at ?? 0;
    return this.#points?.filter(({ at }) => at > end - this.range * 60_000);
  }

  /** Milliseconds that one figure of the range stands for, so that there are about sixty of them. */
  get step(): number {
    return Math.max(this.interval, this.range * 1000);
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
    const known = this.#points ?? [];
    const end = known.at(-1)?.at ?? -Infinity;
    const all = [...known, ...points.filter(({ at }) => at > end)];
    const last = all.at(-1)?.at ?? 0;
    this.#points = all.filter(({ at }) => at > last - RETENTION_MS);
  }
}
