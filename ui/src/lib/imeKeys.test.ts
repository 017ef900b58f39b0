import { expect, test } from 'vitest';

import { isSubmit } from './imeKeys';

const press = (init: KeyboardEventInit) => new KeyboardEvent('keydown', init);

test('Enter sends, with Shift or Alt it does not', () => {
  expect(isSubmit(press({ key: 'Enter' }))).toBe(true);
  expect(isSubmit(press({ key: 'Enter', shiftKey: true }))).toBe(false);
  expect(isSubmit(press({ key: 'Enter', altKey: true }))).toBe(false);
  expect(isSubmit(press({ key: 'a' }))).toBe(false);
});

test('Enter that ends a Korean syllable never submits', () => {
  expect(isSubmit(press({ key: 'Enter', isComposing: true }))).toBe(false);
  expect(isSubmit(press({ key: 'Enter', keyCode: 229 }))).toBe(false);
});
