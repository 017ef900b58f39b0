import { expect, test } from 'vitest';

import { byPeriod, periodOf } from './datePeriods';

const now = new Date(2024, 11, 28, 0, 30);

test('days are those of the calendar, not of 24 hours', () => {
  expect(periodOf(new Date(2024, 11, 28, 0, 1), now)).toBe('today');
  expect(periodOf(new Date(2024, 11, 27, 23, 59), now)).toBe('yesterday');
  expect(periodOf(new Date(2024, 11, 26, 12), now)).toBe('thisWeek');
  expect(periodOf(new Date(2024, 11, 22, 0, 1), now)).toBe('thisWeek');
  expect(periodOf(new Date(2024, 11, 21, 23), now)).toBe('earlier');
  expect(periodOf(new Date(2024, 11, 29), now)).toBe('today');
});

test('items keep their order within their period', () => {
  const items = [0, 0, 1, 9, 30].map((days, id) => ({ id, updated_at: new Date(2024, 11, 28 - days).toISOString() }));
  const groups = byPeriod(items, now).map(({ period, items }) => [period, items.map(({ id }) => id)]);
  expect(groups).toEqual([['today', [0, 1]], ['yesterday', [2]], ['earlier', [3, 4]]]);
  const pinned = [{ updated_at: new Date(2020, 1, 1).toISOString(), pinned: true }, { updated_at: now.toISOString(), pinned: false }];
  expect(byPeriod(pinned, now).map(({ period }) => period)).toEqual(['pinned', 'today']);
});
