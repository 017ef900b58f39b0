// Metric definitions: the series of each chart, and how values are formatted.
import type { Messages } from '../messages/ko';
import { formatBytes } from './formatBytes';
import type { Preferences } from '../state/preferences.svelte';
import type { Point } from '../state/metrics.svelte';

/** The locale and texts for formatting. */
export type FormatContext = Pick<Preferences, 'messages' | 'locale'>;

/** A series of a chart. */
export interface Series {
  name: keyof Messages['lines'];
  valueOf: (point: Point) => number | null;
  /** How several values are combined; their mean by default. */
  aggregate?: 'sum' | 'most';
  /** The drawing style: primary, secondary and tertiary colour, failure, or a dashed limit. */
  tone: 'first' | 'second' | 'third' | 'fail' | 'limit';
}

/** A metric with its chart. */
export interface Metric {
  name: keyof Messages['measures'];
  series: readonly Series[];
  /** A value as text. */
  format: (value: number, words: FormatContext) => string;
  /** A shorter text for the axis. */
  formatTick?: (value: number, words: FormatContext) => string;
  /** The axis maximum, where it does not follow from the values. */
  axisMax?: (points: readonly Point[]) => number;
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
      { name: 'chat', valueOf: (point) => point.queue_chat, aggregate: 'most', tone: 'first' },
      { name: 'completion', valueOf: (point) => point.queue_completion, aggregate: 'most', tone: 'second' },
      { name: 'background', valueOf: (point) => point.queue_background, aggregate: 'most', tone: 'third' },
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
export function availableMetrics(points: readonly Point[]): readonly Metric[] {
  return METRICS.filter(({ name, series: lines }) => !name.startsWith('gpu') || points.some((point) => lines.some(({ valueOf: of }) => of(point) !== null)));
}

/** A sample: the end of an interval, and a value per series; null where there is none. */
export interface Sample {
  at: number;
  values: readonly (number | null)[];
}

/** Samples points that come every `interval` into steps of `step` milliseconds, oldest first. Sums are given once a step is complete. */
export function toSamples(points: readonly Point[], lines: readonly Series[], step: number, interval: number): Sample[] {
  const steps = new Map<number, Point[]>();
  for (const point of points) {
    const number = Math.floor(point.at / step);
    const known = steps.get(number);
    if (known) known.push(point);
    else steps.set(number, [point]);
  }
  const last = points.at(-1)?.at ?? 0;
  const isOver = (at: number) => at < last || (Math.floor(at / step) + 1) * step - at <= interval;
  return [...steps.values()].map((points) => {
    const at = points.at(-1)?.at ?? 0;
    const values = ({ valueOf: of, aggregate: fold }: Series) => (fold === 'sum' && !isOver(at) ? [] : points.map(of).filter((value) => value !== null));
    return { at, values: lines.map((line) => aggregateValues(values(line), line.aggregate)) };
  });
}

function aggregateValues(values: number[], fold: Series['aggregate']): number | null {
  if (values.length === 0) return null;
  if (fold === 'most') return Math.max(...values);
  const sum = values.reduce((sum, value) => sum + value, 0);
  return fold === 'sum' ? sum : sum / values.length;
}

/** Samples as columns: times in seconds, then each series. A gap is left where HAPA was not running. */
export function toColumns(moments: readonly Sample[], lines: readonly Series[], step: number): [number[], ...(number | null)[][]] {
  const gap = (after: number) => ({ at: after + step, values: lines.map(() => null) });
  const all = moments.flatMap((moment, index) => {
    const before = moments[index - 1]?.at;
    return before !== undefined && moment.at - before > step * 2 ? [gap(before), moment] : [moment];
  });
  return [all.map(({ at }) => at / 1000), ...lines.map((_, index) => all.map(({ values }) => values[index] ?? null))];
}

/** The latest value of a series, or null. */
export function latestValue(moments: readonly Sample[], line: number): number | null {
  return moments.map(({ values }) => values[line] ?? null).findLast((value) => value !== null) ?? null;
}

/** The axis maximum: a round number that no value exceeds. */
export function axisMaxOf(measure: Metric, moments: readonly Sample[], points: readonly Point[]): number {
  const given = measure.axisMax?.(points);
  if (given) return given;
  const most = Math.max(0, ...moments.flatMap(({ values }) => values.filter((value) => value !== null)));
  if (measure.format === bytes) return Math.max(most * 1.1, 1);
  const step = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return Math.max(2, [1, 2, 5, 10].map((times) => times * step).find((top) => top >= most) ?? most);
}

/** All points as CSV, one line each. */
export function toCsv(points: readonly Point[]): string {
  const names = Object.keys(points[0] ?? { at: 0 }) as (keyof Point)[];
  const lines = points.map((point) => names.map((name) => (name === 'at' ? new Date(point.at).toISOString() : (point[name] ?? ''))).join(','));
  return [names.join(','), ...lines, ''].join('\n');
}
