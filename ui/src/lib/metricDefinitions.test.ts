import { expect, test } from 'vitest';

import { toColumns, toCsv, latestValue, availableMetrics, toSamples, axisMaxOf, type Metric } from './metricDefinitions';
import { point } from '../testing/items';

const named = (name: Metric['name'], gpu = false) => {
  const measure = availableMetrics([point(0, gpu ? { gpu_memory: 1 } : {})]).find((measure) => measure.name === name);
  if (!measure) throw new Error(name);
  return measure;
};

test('several figures become one: counts are summed, queues are at their longest, everything else is a mean of what is there', () => {
  const points = [
    point(1000, { requests: 2, queue_chat: 1, tokens_per_second: 10 }),
    point(6000, { requests: 3, queue_chat: 4, tokens_per_second: null }),
    point(11_000, { requests: 1, queue_chat: 2, tokens_per_second: 20 }),
    point(16_000, { requests: 7 }),
  ];
  expect(toSamples(points, named('requests').series, 15_000, 5000)).toEqual([{ at: 11_000, values: [6, 0] }, { at: 16_000, values: [null, null] }]);
  expect(toSamples([...points, point(26_000, { requests: 1 })], named('requests').series, 15_000, 5000)[1]).toEqual({ at: 26_000, values: [8, 0] });
  expect(toSamples(points, named('queue').series, 15_000, 5000)[0]?.values).toEqual([4, 0, 0]);
  const speed = toSamples(points, named('speed').series, 15_000, 5000);
  expect(speed.map(({ values }) => values[0])).toEqual([15, null]);
  expect(latestValue(speed, 0)).toBe(15);
});

test('where HAPA was not there, a gap is left', () => {
  const moments = [5000, 10_000, 60_000].map((at) => ({ at, values: [1] }));
  expect(toColumns(moments, named('cpu').series, 5000)).toEqual([[5, 10, 15, 60], [1, 1, null, 1]]);
});

test('an axis ends at a round number, at the total memory, or at a hundred percent', () => {
  const top = (measure: Metric, most: number) => axisMaxOf(measure, [{ at: 0, values: [null, most] }], [point(0)]);
  expect([0, 1.4, 3, 17, 60].map((most) => top(named('requests'), most))).toEqual([2, 2, 5, 20, 100]);
  expect(top(named('cpu'), 30)).toBe(100);
  expect(top(named('memory'), 1)).toBe(16 * 1024 ** 3);
  expect(top(named('budget'), 100)).toBeCloseTo(110);
});

test('a GPU is shown only where there is one', () => {
  expect(availableMetrics([point(0)]).filter(({ name }) => name.startsWith('gpu'))).toEqual([]);
  expect(availableMetrics([point(0), point(1, { gpu: 0 })]).map(({ name }) => name)).toContain('gpuLoad');
  expect(named('gpu', true).series).toHaveLength(1);
});

test('CSV has a line for each time, and leaves out what was not measured', () => {
  const [head, first, last] = toCsv([point(0, { tokens_per_second: 12.5 })]).split('\n');
  const cells = Object.fromEntries((head ?? '').split(',').map((name, index) => [name, first?.split(',')[index]]));
  expect(cells).toMatchObject({ at: '1970-01-01T00:00:00.000Z', cpu: '10', tokens_per_second: '12.5', time_to_first_token: '' });
  expect(last).toBe('');
});
