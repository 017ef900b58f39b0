import { expect, test } from 'vitest';

import { formatBytes } from './formatBytes';

test.each([
  [0, '0 MiB'],
  [64 * 1024 ** 2, '64 MiB'],
  [1024 ** 3 - 1, '1.0 GiB'],
  [1.44 * 1024 ** 3, '1.4 GiB'],
  [80 * 1024 ** 3, '80.0 GiB'],
])('%i bytes are %s', (bytes, words) => {
  expect(formatBytes(bytes)).toBe(words);
});
