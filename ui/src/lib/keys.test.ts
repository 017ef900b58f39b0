import { expect, test } from 'vitest';

import { isSend } from './keys';

const press = (init: KeyboardEventInit) => new KeyboardEvent('keydown', init);

test('Enter sends, with Shift or Alt it does not', () => {
  expect(isSend(press({ key: 'Enter' }))).toBe(true);
  expect(isSend(press({ key: 'Enter', shiftKey: true }))).toBe(false);
  expect(isSend(press({ key: 'Enter', altKey: true }))).toBe(false);
  expect(isSend(press({ key: 'a' }))).toBe(false);
});

test('Enter that ends a Korean syllable never sends', () => {
  expect(isSend(press({ key: 'Enter', isComposing: true }))).toBe(false);
  expect(isSend(press({ key: 'Enter', keyCode: 229 }))).toBe(false);
});
