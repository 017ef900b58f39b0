import { expect, test } from 'vitest';

import { isSend, isShortcut } from './keys';

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

test('shortcuts work on a Korean layout, where the N key types ㅜ', () => {
  expect(isShortcut(press({ key: 'ㅜ', code: 'KeyN', ctrlKey: true }), 'n')).toBe(true);
  expect(isShortcut(press({ key: 'n', code: 'KeyN', metaKey: true }), 'n')).toBe(true);
  expect(isShortcut(press({ key: 'n', code: 'KeyN' }), 'n')).toBe(false);
  expect(isShortcut(press({ key: 'N', code: 'KeyN', ctrlKey: true, shiftKey: true }), 'n')).toBe(false);
});
