// uPlot options for the metrics charts, in the theme's colours.
import type Plot from 'uplot';
import type { Options } from 'uplot';

import type { Series } from './metricDefinitions';

/** Charts with the same key share their cursor. */
const SYNC_KEY = 'metrics';

const TONES: Record<Series['tone'], string> = { first: '--act', second: '--code-name', third: '--ink-3', fail: '--fail', limit: '--line-strong' };

/** The inputs of a chart. */
export interface ChartConfig {
  series: readonly Series[];
  /** Resolves a CSS colour variable for the canvas. */
  colour: (token: string) => string;
  /** The maximum of the vertical axis. */
  axisMax: () => number;
  /** The ends of the time axis, in seconds since the epoch. */
  range: () => [number, number];
  /** Formats a value for the axis. */
  tick: (value: number) => string;
  time: (seconds: number) => string;
  /** The hovered column index, or undefined when the pointer leaves. */
  onhover: (index: number | undefined) => void;
}

let loading: Promise<typeof import('uplot')> | undefined;

/** Loads uPlot on first use. */
export function loadUPlot(): Promise<typeof import('uplot')> {
  loading ??= import('uplot').then((module) => module.default);
  return loading;
}

/** Builds the options of a chart of `width` by `height` pixels. */
export function uplotOptions({ series, colour, axisMax, range, tick, time, onhover }: ChartConfig, width: number, height: number): Options {
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: () => colour('--ink-3'), font, ticks: { show: false } };
  const grid = { stroke: () => colour('--line'), width: 1 };
  return {
    width,
    height,
    legend: { show: false },
    // Room on the right for half of the last time label.
    padding: [8, 16, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: SYNC_KEY }, points: { size: 6, width: 1.5 } },
    scales: { x: { time: false, range }, y: { range: () => [0, axisMax()] } },
    axes: [
      { ...axis, grid: { show: false }, incrs: [60, 120, 300, 900], size: 22, gap: 4, space: 70, values: (_, splits) => splits.map(time) },
      { ...axis, grid, size: 56, gap: 6, splits: () => [0, axisMax() / 2, axisMax()], values: (_, splits) => splits.map(tick) },
    ],
    series: [
      {},
      ...series.map(({ tone }) => ({
        stroke: () => colour(TONES[tone]),
        width: tone === 'limit' ? 1 : 1.5,
        points: { show: true, size: 3, filter: (chart: Plot, line: number) => isolatedPoints(chart.data[line] ?? []) },
        spanGaps: false,
        ...(tone === 'limit' && { dash: [4, 4] }),
        ...(tone === 'first' && series.length === 1 && { fill: () => colour(TONES[tone]).replace('rgb(', 'rgba(').replace(')', ', 0.12)') }),
      })),
    ],
    hooks: { setCursor: [({ cursor }) => onhover(cursor.idx ?? undefined)] },
  };
}

/** Indexes of values without neighbours, which no line would show. */
function isolatedPoints(values: ArrayLike<number | null | undefined>): number[] {
  const hasValue = (index: number) => values[index] !== null && values[index] !== undefined;
  return Array.from(values, (_, index) => index).filter((index) => hasValue(index) && !hasValue(index - 1) && !hasValue(index + 1));
}

/** The CSS variable of a tone, for the legend. */
export function toneToken(tone: Series['tone']): string {
  return TONES[tone];
}
