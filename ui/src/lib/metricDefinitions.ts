// Metric definitions: the series of each chart, and how values are formatted.
import type { Messages } from '../messages/ko';
import { formatBytes } from './formatBytes';
import type { Preferences } from '../state/preferences.svelte';
import type { MetricsPoint } from '../state/metrics.svelte';

/** The locale and texts for formatting. */
export type FormatContext = Pick<Preferences, 'messages' | 'locale'>;

/** A series of a chart. */
export interface Series {
  name: keyof Messages['lines'];
  valueOf: (point: MetricsPoint) => number | null;
  /** How several values are combined; their mean by default. */
  aggregate?: 'sum' | 'max';
  /** The drawing style: primary, secondary and tertiary colour, failure, or a dashed limit. */
  tone: 'first' | 'second' | 'third' | 'fail' | 'limit';
}

/** A metric with its chart. */
export interface Metric {
  name: keyof Messages['measures'];
  series: readonly Series[];
  /** A value as text. */
  format: (value: number, context: FormatContext) => string;
  /** A shorter text for the axis. */
  formatTick?: (value: number, context: FormatContext) => string;
  /** The axis maximum, where it does not follow from the values. */
  axisMax?: (points: readonly MetricsPoint[]) => number;
}

const count = (value: number, { locale }: FormatContext) => value.toLocaleString(locale, { maximumFractionDigits: value < 10 ? 1 : 0 });
const bytes = (value: number) => formatBytes(value);
const percent = (value: number, { locale }: FormatContext) => `${value.toLocaleString(locale, { maximumFractionDigits: 0 })}%`;

const METRICS: readonly Metric[] = [
  {
    name: 'speed',
    series: [{ name: 'speed', valueOf: (point) => point.tokens_per_second, tone: 'first' }],
    format: (value, { messages }) => messages.tokensPerSecond(value),
    formatTick: count,
  },
  {
    name: 'firstToken',
    series: [{ name: 'firstToken', valueOf: (point) => point.time_to_first_token, tone: 'first' }],
    format: (value, { messages }) => messages.secondsExactly(value),
    formatTick: count,
  },
  {
    name: 'queue',
    series: [
      { name: 'chat', valueOf: (point) => point.queue_chat, aggregate: 'max', tone: 'first' },
      { name: 'completion', valueOf: (point) => point.queue_completion, aggregate: 'max', tone: 'second' },
      { name: 'background', valueOf: (point) => point.queue_background, aggregate: 'max', tone: 'third' },
    ],
    format: count,
  },
  {
    name: 'requests',
    series: [
      { name: 'requests', valueOf: (point) => point.requests, aggregate: 'sum', tone: 'first' },
      { name: 'errors', valueOf: (point) => point.errors, aggregate: 'sum', tone: 'fail' },
    ],
    format: count,
  },
  {
    name: 'cache',
    series: [
      { name: 'hits', valueOf: (point) => point.cache_hits, aggregate: 'sum', tone: 'first' },
      { name: 'misses', valueOf: (point) => point.cache_misses, aggregate: 'sum', tone: 'third' },
    ],
    format: count,
  },
  {
    name: 'budget',
    series: [
      { name: 'used', valueOf: (point) => point.budget_used, tone: 'first' },
      { name: 'limit', valueOf: (point) => point.budget_limit, tone: 'limit' },
    ],
    format: bytes,
  },
  { name: 'cpu', series: [{ name: 'cpu', valueOf: (point) => point.cpu, tone: 'first' }], format: percent, axisMax: () => 100 },
  {
    name: 'memory',
    series: [
      { name: 'machine', valueOf: (point) => point.memory, tone: 'first' },
      { name: 'process', valueOf: (point) => point.process_memory, tone: 'second' },
    ],
    format: bytes,
    axisMax: (points) => points.at(-1)?.memory_total ?? 0,
  },
  { name: 'gpuLoad', series: [{ name: 'gpuLoad', valueOf: (point) => point.gpu ?? null, tone: 'first' }], format: percent, axisMax: () => 100 },
  { name: 'gpu', series: [{ name: 'gpu', valueOf: (point) => point.gpu_memory ?? null, tone: 'first' }], format: bytes },
];

/** The metrics with data: those about a GPU only if there is one. */
export function availableMetrics(points: readonly MetricsPoint[]): readonly Metric[] {
  return METRICS.filter(({ name, series }) => !name.startsWith('gpu') || points.some((point) => series.some(({ valueOf }) => valueOf(point) !== null)));
}

/** A sample: the end of an interval, and a value per series; null where there is none. */
export interface Sample {
  at: number;
  values: readonly (number | null)[];
}

/** Samples points that come every `interval` into steps of `step` milliseconds, oldest first. Sums are given once a step is complete. */
export function toSamples(points: readonly MetricsPoint[], series: readonly Series[], step: number, interval: number): Sample[] {
  const steps = new Map<number, MetricsPoint[]>();
  for (const point of points) {
    const number = Math.floor(point.at / step);
    const known = steps.get(number);
    if (known) known.push(point);
    else steps.set(number, [point]);
  }
  const last = points.at(-1)?.at ?? 0;
  const isComplete = (at: number) => at < last || (Math.floor(at / step) + 1) * step - at <= interval;
  return [...steps.values()].map((points) => {
    const at = points.at(-1)?.at ?? 0;
    const values = ({ valueOf, aggregate }: Series) => (aggregate === 'sum' && !isComplete(at) ? [] : points.map(valueOf).filter((value) => value !== null));
    return { at, values: series.map((one) => aggregateValues(values(one), one.aggregate)) };
  });
}

function aggregateValues(values: number[], aggregate: Series['aggregate']): number | null {
  if (values.length === 0) return null;
  if (aggregate === 'max') return Math.max(...values);
  const sum = values.reduce((sum, value) => sum + value, 0);
  return aggregate === 'sum' ? sum : sum / values.length;
}

/** Samples as columns: times in seconds, then each series. A gap is left where HAPA was not running. */
export function toColumns(samples: readonly Sample[], series: readonly Series[], step: number): [number[], ...(number | null)[][]] {
  const gap = (after: number) => ({ at: after + step, values: series.map(() => null) });
  const all = samples.flatMap((sample, index) => {
    const before = samples[index - 1]?.at;
    return before !== undefined && sample.at - before > step * 2 ? [gap(before), sample] : [sample];
  });
  return [all.map(({ at }) => at / 1000), ...series.map((_, index) => all.map(({ values }) => values[index] ?? null))];
}

/** The latest value of a series, or null. */
export function latestValue(samples: readonly Sample[], index: number): number | null {
  return samples.map(({ values }) => values[index] ?? null).findLast((value) => value !== null) ?? null;
}

/** The axis maximum: a round number that no value exceeds. */
export function axisMaxOf(metric: Metric, samples: readonly Sample[], points: readonly MetricsPoint[]): number {
  const given = metric.axisMax?.(points);
  if (given) return given;
  const highest = Math.max(0, ...samples.flatMap(({ values }) => values.filter((value) => value !== null)));
  if (metric.format === bytes) return Math.max(highest * 1.1, 1);
  const step = 10 ** Math.floor(Math.log10(Math.max(highest, 1)));
  return Math.max(2, [1, 2, 5, 10].map((times) => times * step).find((top) => top >= highest) ?? highest);
}

/** All points as CSV, one line each. */
export function toCsv(points: readonly MetricsPoint[]): string {
  const names = Object.keys(points[0] ?? { at: 0 }) as (keyof MetricsPoint)[];
  const lines = points.map((point) => names.map((name) => (name === 'at' ? new Date(point.at).toISOString() : (point[name] ?? ''))).join(','));
  return [names.join(','), ...lines, ''].join('\n');
}
