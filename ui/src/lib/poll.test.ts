import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { poll, sleep } from './poll';

const never = new AbortController().signal;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A poll of 1, 2, 3 and so on, every 100 ms, with what was seen of it. */
function counting(fetch: (count: number) => Promise<number> = (count) => Promise.resolve(count)) {
  const stop = new AbortController();
  const results: number[] = [];
  const errors: Error[] = [];
  let count = 0;
  const polling = poll({
    signal: stop.signal,
    interval: () => 100,
    fetch: () => fetch((count += 1)),
    apply: (result) => void results.push(result),
    onerror: (error) => void errors.push(error),
  });
  return { stop, results, errors, polling };
}

test('the first request is sent at once, the next ones after the interval', async () => {
  const { results, stop } = counting();
  await vi.advanceTimersByTimeAsync(0);
  expect(results).toEqual([1]);
  await vi.advanceTimersByTimeAsync(99);
  expect(results).toEqual([1]);
  await vi.advanceTimersByTimeAsync(1);
  expect(results).toEqual([1, 2]);
  stop.abort();
});

test('an aborted poll ends at once, also during its interval', async () => {
  const { results, stop, polling } = counting();
  await vi.advanceTimersByTimeAsync(250);
  stop.abort();
  await polling;
  await vi.advanceTimersByTimeAsync(1000);
  expect(results).toEqual([1, 2, 3]);
});

test('a result or an error that arrives after the abort is dropped', async () => {
  for (const settle of ['resolve', 'reject'] as const) {
    const answer = () => (settle === 'resolve' ? sleep(50, never).then(() => 1) : sleep(50, never).then(() => Promise.reject(new Error('aborted'))));
    const { results, errors, stop, polling } = counting(answer);
    stop.abort();
    await vi.advanceTimersByTimeAsync(50);
    await polling;
    expect([results, errors]).toEqual([[], []]);
  }
});

test('a failed request is reported, and polling goes on', async () => {
  const { results, errors, stop } = counting((count) => (count === 2 ? Promise.reject(new Error('it broke')) : Promise.resolve(count)));
  await vi.advanceTimersByTimeAsync(200);
  expect(results).toEqual([1, 3]);
  expect(errors).toEqual([new Error('it broke')]);
  stop.abort();
});

test('the interval is read after each result, and ends polling when it is undefined', async () => {
  const results: number[] = [];
  const polling = poll({
    signal: new AbortController().signal,
    interval: () => (results.length < 3 ? results.length * 100 : undefined),
    fetch: () => Promise.resolve(results.length),
    apply: (result) => void results.push(result),
    onerror: () => undefined,
  });
  await vi.advanceTimersByTimeAsync(100);
  expect(results).toEqual([0, 1]);
  await vi.advanceTimersByTimeAsync(199);
  expect(results).toEqual([0, 1]);
  await vi.advanceTimersByTimeAsync(1);
  expect(results).toEqual([0, 1, 2]);
  await polling;
});

test('an aborted signal ends a sleep', async () => {
  const stop = new AbortController();
  const sleeping = sleep(1000, stop.signal);
  stop.abort();
  await sleeping;
  await sleep(1000, stop.signal);
  expect(vi.getTimerCount()).toBe(0);
});
