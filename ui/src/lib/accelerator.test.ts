import { expect, test } from 'vitest';

import { acceleratorOf } from './accelerator';

const press = (code: string, held: KeyboardEventInit = {}, key = 'x') => acceleratorOf(new KeyboardEvent('keydown', { code, key, ...held }));

test('keys are named by where they are, so that they are the same on a Korean layout', () => {
  expect(press('Space', { ctrlKey: true, shiftKey: true })).toBe('Ctrl+Shift+Space');
  expect(press('KeyJ', { altKey: true, metaKey: true }, 'ㅓ')).toBe('Alt+Super+J');
  expect(press('Digit1', { ctrlKey: true })).toBe('Ctrl+1');
  expect(press('F9')).toBe('F9');
});

test('typing keys, and modifiers alone, are no accelerator', () => {
  expect(press('KeyJ')).toBeUndefined();
  expect(press('KeyJ', { shiftKey: true })).toBeUndefined();
  expect(press('ControlLeft', { ctrlKey: true }, 'Control')).toBeUndefined();
});
