// Drawing a chart with uPlot, in the colours of the theme.
import type Plot from 'uplot';
import type { Options } from 'uplot';

import type { Series } from './metricDefinitions';

/** Charts that show the same time together. */
const SYNC_KEY = 'metrics';

const TONES: Record<Series['tone'], string> = { first: '--act', second: '--code-name', third: '--ink-3', fail: '--fail', limit: '--line-strong' };

/** What a chart is drawn from. */
export interface ChartConfig {
  lines: readonly Series[];
  /** The value of a token, as the canvas needs it. */
  colour: (token: string) => string;
  /** The end of the vertical scale. */
  axisMax: () => number;
  /** The ends of the horizontal one, in seconds. */
  range: () => [number, number];
  /** A figure at the side, in few characters. */
  tick: (value: number) => string;
  time: (seconds: number) => string;
  /** Somebody points at a place in the columns, or nowhere any more. */
  onhover: (index: number | undefined) => void;
}

let loading: Promise<typeof import('uplot')> | undefined;

/** uPlot, which is loaded when the first chart is drawn. */
export function loadUPlot(): Promise<typeof import('uplot')> {
  loading ??= import('uplot').then((module) => module.default);
  return loading;
}

/** How uPlot is to draw it, `width` wide. */
export function uplotOptions({ lines, colour, axisMax, range, tick, time, onhover }: ChartConfig, width: number, height: number): Options {
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const side = { stroke: () => colour('--ink-3'), font, ticks: { show: false } };
  const grid = { stroke: () => colour('--line'), width: 1 };
  return {
    width,
    height,
    legend: { show: false },
    // At the right there is room for the half of a time that is told at the end.
    padding: [8, 16, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: SYNC_KEY }, points: { size: 6, width: 1.5 } },
    scales: { x: { time: false, range }, y: { range: () => [0, axisMax()] } },
    axes: [
      { ...side, grid: { show: false }, incrs: [60, 120, 300, 900], size: 22, gap: 4, space: 70, values: (_, splits) => splits.map(time) },
      { ...side, grid, size: 56, gap: 6, splits: () => [0, axisMax() / 2, axisMax()], values: (_, splits) => splits.map(tick) },
    ],
    series: [
      {},
      ...lines.map(({ tone }) => ({
        stroke: () => colour(TONES[tone]),
        width: tone === 'limit' ? 1 : 1.5,
        points: { show: true, size: 3, filter: (chart: Plot, line: number) => isolatedPoints(chart.data[line] ?? []) },
        spanGaps: false,
        ...(tone === 'limit' && { dash: [4, 4] }),
        ...(tone === 'first' && lines.length === 1 && { fill: () => colour(TONES[tone]).replace('rgb(', 'rgba(').replace(')', ', 0.12)') }),
      })),
    ],
    hooks: { setCursor: [({ cursor }) => onhover(cursor.idx ?? undefined)] },
  };
}

/** Figures with none beside them, which no line would show. */
function isolatedPoints(values: ArrayLike<number | null | undefined>): number[] {
  const isThere = (index: number) => values[index] !== null && values[index] !== undefined;
  return Array.from(values, (_, index) => index).filter((index) => isThere(index) && !isThere(index - 1) && !isThere(index + 1));
}

/** The token that a tone is drawn in, for what stands beside a chart. */
export function toneToken(tone: Series['tone']): string {
  return TONES[tone];
}
