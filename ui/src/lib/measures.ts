// What is measured, as charts show it: which figures belong together, and how each is told.
import type { Messages } from '../messages/ko';
import { inBytes } from './sizes';
import type { Preferences } from '../state/preferences.svelte';
import type { Point } from '../state/metrics.svelte';

/** The language that figures are told in. */
export type Words = Pick<Preferences, 'messages' | 'spoken'>;

/** A line of a chart. */
export interface Line {
  name: keyof Messages['lines'];
  of: (point: Point) => number | null;
  /** What stands for several figures: their mean, if it says nothing else. */
  fold?: 'sum' | 'most';
  /** How it is drawn: in the colour of what matters, in a paler one, as what failed, or as a limit that the others stay under. */
  tone: 'first' | 'second' | 'third' | 'fail' | 'limit';
}

/** A chart. */
export interface Measure {
  name: keyof Messages['measures'];
  lines: readonly Line[];
  /** A figure in words. */
  tell: (value: number, words: Words) => string;
  /** A figure at the side of the chart, where the words are too long for it. */
  tick?: (value: number, words: Words) => string;
  /** The top of the chart, where it does not follow from what is shown. */
  top?: (points: readonly Point[]) => number;
}

const count = (value: number, { spoken }: Words) => value.toLocaleString(spoken, { maximumFractionDigits: value < 10 ? 1 : 0 });
const bytes = (value: number) => inBytes(value);
const percent = (value: number, { spoken }: Words) => `${value.toLocaleString(spoken, { maximumFractionDigits: 0 })}%`;

const all: readonly Measure[] = [
  {
    name: 'speed',
    lines: [{ name: 'speed', of: (point) => point.tokens_per_second, tone: 'first' }],
    tell: (value, { messages }) => messages.tokensPerSecond(value),
    tick: count,
  },
  {
    name: 'firstToken',
    lines: [{ name: 'firstToken', of: (point) => point.time_to_first_token, tone: 'first' }],
    tell: (value, { messages }) => messages.secondsExactly(value),
    tick: count,
  },
  {
    name: 'queue',
    lines: [
      { name: 'chat', of: (point) => point.queue_chat, fold: 'most', tone: 'first' },
      { name: 'completion', of: (point) => point.queue_completion, fold: 'most', tone: 'second' },
      { name: 'background', of: (point) => point.queue_background, fold: 'most', tone: 'third' },
    ],
    tell: count,
  },
  {
    name: 'requests',
    lines: [
      { name: 'requests', of: (point) => point.requests, fold: 'sum', tone: 'first' },
      { name: 'errors', of: (point) => point.errors, fold: 'sum', tone: 'fail' },
    ],
    tell: count,
  },
  {
    name: 'cache',
    lines: [
      { name: 'hits', of: (point) => point.cache_hits, fold: 'sum', tone: 'first' },
      { name: 'misses', of: (point) => point.cache_misses, fold: 'sum', tone: 'third' },
    ],
    tell: count,
  },
  {
    name: 'budget',
    lines: [
      { name: 'used', of: (point) => point.budget_used, tone: 'first' },
      { name: 'limit', of: (point) => point.budget_limit, tone: 'limit' },
    ],
    tell: bytes,
  },
  { name: 'cpu', lines: [{ name: 'cpu', of: (point) => point.cpu, tone: 'first' }], tell: percent, top: () => 100 },
  {
    name: 'memory',
    lines: [
      { name: 'machine', of: (point) => point.memory, tone: 'first' },
      { name: 'process', of: (point) => point.process_memory, tone: 'second' },
    ],
    tell: bytes,
    top: (points) => points.at(-1)?.memory_total ?? 0,
  },
  { name: 'gpuLoad', lines: [{ name: 'gpuLoad', of: (point) => point.gpu ?? null, tone: 'first' }], tell: percent, top: () => 100 },
  { name: 'gpu', lines: [{ name: 'gpu', of: (point) => point.gpu_memory ?? null, tone: 'first' }], tell: bytes },
];

/** The charts that these figures fill: those about a GPU only where there is something to tell. */
export function measuresOf(points: readonly Point[]): readonly Measure[] {
  return all.filter(({ name, lines }) => !name.startsWith('gpu') || points.some((point) => lines.some(({ of }) => of(point) !== null)));
}

/** A moment: the end of some seconds, and a figure of each line over them; null where there was none. */
export interface Moment {
  at: number;
  values: readonly (number | null)[];
}

/** Figures that come each `interval` in steps of `step` milliseconds, the oldest first. What is counted is told once a step is over. */
export function momentsOf(points: readonly Point[], lines: readonly Line[], step: number, interval: number): Moment[] {
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
    const values = ({ of, fold }: Line) => (fold === 'sum' && !isOver(at) ? [] : points.map(of).filter((value) => value !== null));
    return { at, values: lines.map((line) => folded(values(line), line.fold)) };
  });
}

function folded(values: number[], fold: Line['fold']): number | null {
  if (values.length === 0) return null;
  if (fold === 'most') return Math.max(...values);
  const sum = values.reduce((sum, value) => sum + value, 0);
  return fold === 'sum' ? sum : sum / values.length;
}

/** Moments as columns: times in seconds, then each line. Where HAPA was not there for some steps, a gap is left. */
export function columnsOf(moments: readonly Moment[], lines: readonly Line[], step: number): [number[], ...(number | null)[][]] {
  const gap = (after: number) => ({ at: after + step, values: lines.map(() => null) });
  const all = moments.flatMap((moment, index) => {
    const before = moments[index - 1]?.at;
    return before !== undefined && moment.at - before > step * 2 ? [gap(before), moment] : [moment];
  });
  return [all.map(({ at }) => at / 1000), ...lines.map((_, index) => all.map(({ values }) => values[index] ?? null))];
}

/** The latest figure of a line that is there, or null. */
export function latest(moments: readonly Moment[], line: number): number | null {
  return moments.map(({ values }) => values[line] ?? null).findLast((value) => value !== null) ?? null;
}

/** The top of a chart: a round number that nothing is above of. */
export function topOf(measure: Measure, moments: readonly Moment[], points: readonly Point[]): number {
  const given = measure.top?.(points);
  if (given) return given;
  const most = Math.max(0, ...moments.flatMap(({ values }) => values.filter((value) => value !== null)));
  if (measure.tell === bytes) return Math.max(most * 1.1, 1);
  const step = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return Math.max(2, [1, 2, 5, 10].map((times) => times * step).find((top) => top >= most) ?? most);
}

/** All figures as CSV, one line for each time. */
export function csvOf(points: readonly Point[]): string {
  const names = Object.keys(points[0] ?? { at: 0 }) as (keyof Point)[];
  const lines = points.map((point) => names.map((name) => (name === 'at' ? new Date(point.at).toISOString() : (point[name] ?? ''))).join(','));
  return [names.join(','), ...lines, ''].join('\n');
}
