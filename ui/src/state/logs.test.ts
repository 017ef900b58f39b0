import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { logLine } from '../testing/items';
import { testApp } from '../testing/testApp';
import { formatLine } from './logs.svelte';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true }));
afterEach(() => void vi.useRealTimers());

const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => logLine(from + index));

async function watching(count: number) {
  const all = await testApp();
  all.api.log = lines(0, count);
  void all.app.logs.startPolling();
  await vi.waitFor(() => expect(all.app.logs.lines).toBeDefined());
  const ends = () => [all.app.logs.lines?.at(0)?.cursor, all.app.logs.lines?.at(-1)?.cursor, all.app.logs.lines?.length];
  return { ...all, logs: all.app.logs, ends };
}

test('what is new comes to the end, and what is earlier is read when it is wanted', async () => {
  const { api, logs, ends } = await watching(500);
  expect(ends()).toEqual([300, 499, 200]);
  expect(logs.hasMore).toBe(true);
  api.log = lines(0, 503);
  await vi.advanceTimersByTimeAsync(2000);
  await vi.waitFor(() => expect(ends()).toEqual([300, 502, 203]));
  await logs.loadEarlier();
  await logs.loadEarlier();
  expect(ends()).toEqual([0, 502, 503]);
  expect(logs.hasMore).toBe(false);
  logs.stopPolling();
});

test('where more came than is asked for, only what is new stays, so that nothing is missing in the middle', async () => {
  const { api, logs, ends } = await watching(10);
  api.log = lines(0, 1000);
  await vi.advanceTimersByTimeAsync(2000);
  await vi.waitFor(() => expect(ends()).toEqual([800, 999, 200]));
  logs.stopPolling();
});

test('requests of the log viewer itself are hidden', async () => {
  const { api, logs, ends } = await watching(300);
  const looks = (from: number, to: number) => lines(from, to).map((line) => ({ ...line, fields: { endpoint: '/api/v1/logs' } }));
  api.log = [...lines(0, 300), ...looks(300, 350)];
  await vi.advanceTimersByTimeAsync(2000);
  api.log = [...lines(0, 300), ...looks(300, 549)];
  await vi.advanceTimersByTimeAsync(2000);
  await vi.waitFor(() => expect(api.requests.filter(({ path }) => path === '/api/v1/logs').length).toBeGreaterThan(2));
  expect(ends()).toEqual([100, 299, 200]);
  api.log = [...api.log, logLine(549)];
  await vi.advanceTimersByTimeAsync(2000);
  await vi.waitFor(() => expect(ends()).toEqual([100, 549, 201]));
  logs.level = 'any';
  await vi.waitFor(() => expect(ends()).toEqual([549, 549, 1]));
  await logs.loadEarlier();
  expect(ends()).toEqual([150, 549, 151]);
  logs.stopPolling();
});

test('no more than so many lines are kept', async () => {
  const { api, logs, ends } = await watching(1);
  for (let end = 151; end <= 2401; end += 150) {
    api.log = lines(0, end);
    await vi.advanceTimersByTimeAsync(2000);
    await vi.waitFor(() => expect(ends()[1]).toBe(end - 1));
  }
  expect(ends()).toEqual([401, 2400, 2000]);
  expect(logs.hasMore).toBe(true);
  logs.stopPolling();
});

test('the log is filtered by level and text, debounced while typing', async () => {
  const { api, logs } = await watching(5);
  api.log = [...lines(0, 5), logLine(5, { level: 'WARN', message: 'the disk is full' })];
  logs.level = 'warn';
  await vi.waitFor(() => expect(logs.lines?.map(({ cursor }) => cursor)).toEqual([5]));
  logs.level = 'any';
  logs.search = 'li';
  logs.search = 'line 3';
  await vi.advanceTimersByTimeAsync(200);
  await vi.waitFor(() => expect(logs.lines?.map(({ cursor }) => cursor)).toEqual([3]));
  logs.stopPolling();
});

test('a line as text has everything', () => {
  const line = logLine(1, { level: 'WARN', message: 'slow', fields: { duration_ms: 7, endpoint: '/x' } });
  expect(formatLine(line)).toBe('2026-11-26T05:00:00Z WARN sidecar::http slow duration_ms=7 endpoint=/x');
});
