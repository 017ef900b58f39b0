import { expect, test } from 'vitest';

import { attempt } from './attempt';

test('an action that succeeds has no error', async () => {
  let ran = false;
  expect(await attempt(async () => void (ran = true))).toBeUndefined();
  expect(ran).toBe(true);
});

test('the error of a failed action is returned as it was thrown', async () => {
  const error = new TypeError('it broke');
  expect(await attempt(() => Promise.reject(error))).toBe(error);
  expect(
    await attempt(() => {
      throw error;
    }),
  ).toBe(error);
});

test('a thrown value that is no error becomes one', async () => {
  expect(await attempt(() => Promise.reject('it broke' as unknown as Error))).toEqual(new Error('it broke'));
});
