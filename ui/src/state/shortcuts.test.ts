import { expect, test } from 'vitest';

import { chordOf, spell, usual } from '../lib/shortcuts';
import { Shortcuts } from './shortcuts.svelte';

const press = (code: string, change: KeyboardEventInit = {}) => new KeyboardEvent('keydown', { code, key: code, ...change });

function shortcuts() {
  localStorage.clear();
  return new Shortcuts(localStorage);
}

test('keys are told by their place, so that a Korean layout is the same, and Command is Ctrl', () => {
  expect(chordOf(press('KeyN', { key: 'ㅜ', ctrlKey: true }))).toBe('Ctrl+KeyN');
  expect(chordOf(press('KeyM', { metaKey: true, shiftKey: true }))).toBe('Ctrl+Shift+KeyM');
  expect(chordOf(press('ControlLeft', { key: 'Control', ctrlKey: true }))).toBeUndefined();
  expect(chordOf(press('KeyN', { ctrlKey: true, isComposing: true }))).toBeUndefined();
});

test('keys are spelled as people know them', () => {
  expect(spell('Ctrl+Shift+KeyM', false)).toBe('Ctrl+Shift+M');
  expect(spell('Ctrl+Comma', false)).toBe('Ctrl+,');
  expect(spell('Ctrl+Alt+Digit1', true)).toBe('⌘⌥1');
});

test('no two commands have the same keys at first', () => {
  expect(new Set(Object.values(usual)).size).toBe(Object.values(usual).length);
});

test('chosen keys do what the usual ones did, and last', () => {
  const first = shortcuts();
  expect(first.choose('newChat', 'Ctrl+KeyJ')).toEqual({ state: 'chosen' });
  const again = new Shortcuts(localStorage);
  expect(again.commandOf(press('KeyJ', { ctrlKey: true }))).toBe('newChat');
  expect(again.commandOf(press('KeyN', { ctrlKey: true }))).toBeUndefined();
  again.reset('newChat');
  expect(again.isChosen('newChat')).toBe(false);
  expect(new Shortcuts(localStorage).commandOf(press('KeyN', { ctrlKey: true }))).toBe('newChat');
});

test('keys of another command, of fields, or of typing are not given away', () => {
  const keys = shortcuts();
  expect(keys.choose('newChat', 'Ctrl+KeyH')).toEqual({ state: 'used', by: 'history' });
  expect(keys.choose('newChat', 'Ctrl+KeyC')).toEqual({ state: 'reserved' });
  expect(keys.choose('newChat', 'Shift+KeyN')).toEqual({ state: 'reserved' });
  expect(keys.choose('newChat', 'F9')).toEqual({ state: 'chosen' });
  // What was given up is free, and whoever took it keeps it when all others go back.
  expect(keys.choose('history', 'Ctrl+KeyN')).toEqual({ state: 'chosen' });
  expect(keys.reset('newChat')).toEqual({ state: 'used', by: 'history' });
  keys.reset();
  expect(keys.of('newChat')).toBe('Ctrl+KeyN');
});

test('what was kept and is no keys is forgotten', () => {
  localStorage.setItem('hapa.shortcuts', '{"newChat":"KeyN","history":7,"models":"Ctrl+KeyL"}');
  const keys = new Shortcuts(localStorage);
  expect([keys.of('newChat'), keys.of('history'), keys.of('models')]).toEqual(['Ctrl+KeyN', 'Ctrl+KeyH', 'Ctrl+KeyL']);
  localStorage.setItem('hapa.shortcuts', 'null');
  expect(new Shortcuts(localStorage).of('models')).toBe('Ctrl+KeyM');
});
