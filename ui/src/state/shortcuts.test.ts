import { expect, test } from 'vitest';

import { chordOf, formatChord, defaultChords } from '../lib/shortcuts';
import { Shortcuts } from './shortcuts.svelte';

const press = (code: string, change: KeyboardEventInit = {}) => new KeyboardEvent('keydown', { code, key: code, ...change });

function shortcuts() {
  localStorage.clear();
  return new Shortcuts(localStorage);
}

test('chords use key codes, so that a Korean layout is the same, and Command is Ctrl', () => {
  expect(chordOf(press('KeyN', { key: 'ㅜ', ctrlKey: true }))).toBe('Ctrl+KeyN');
  expect(chordOf(press('KeyM', { metaKey: true, shiftKey: true }))).toBe('Ctrl+Shift+KeyM');
  expect(chordOf(press('ControlLeft', { key: 'Control', ctrlKey: true }))).toBeUndefined();
  expect(chordOf(press('KeyN', { ctrlKey: true, isComposing: true }))).toBeUndefined();
});

test('shortcuts are formatted for the platform', () => {
  expect(formatChord('Ctrl+Shift+KeyM', false)).toBe('Ctrl+Shift+M');
  expect(formatChord('Ctrl+Comma', false)).toBe('Ctrl+,');
  expect(formatChord('Ctrl+Alt+Digit1', true)).toBe('⌘⌥1');
});

test('no two commands have the same keys at first', () => {
  expect(new Set(Object.values(defaultChords)).size).toBe(Object.values(defaultChords).length);
});

test('custom shortcuts work like the defaults, and are stored', () => {
  const first = shortcuts();
  expect(first.assign('newChat', 'Ctrl+KeyJ')).toEqual({ state: 'assigned' });
  const again = new Shortcuts(localStorage);
  expect(again.commandOf(press('KeyJ', { ctrlKey: true }))).toBe('newChat');
  expect(again.commandOf(press('KeyN', { ctrlKey: true }))).toBeUndefined();
  again.reset('newChat');
  expect(again.isCustom('newChat')).toBe(false);
  expect(new Shortcuts(localStorage).commandOf(press('KeyN', { ctrlKey: true }))).toBe('newChat');
});

test('chords of another command, of text fields, or of typing cannot be assigned', () => {
  const keys = shortcuts();
  expect(keys.assign('newChat', 'Ctrl+KeyH')).toEqual({ state: 'in-use', by: 'history' });
  expect(keys.assign('newChat', 'Ctrl+KeyC')).toEqual({ state: 'reserved' });
  expect(keys.assign('newChat', 'Shift+KeyN')).toEqual({ state: 'reserved' });
  expect(keys.assign('newChat', 'F9')).toEqual({ state: 'assigned' });
  // A chord that was given up is free, and a command that took it keeps it when all others are reset.
  expect(keys.assign('history', 'Ctrl+KeyN')).toEqual({ state: 'assigned' });
  expect(keys.reset('newChat')).toEqual({ state: 'in-use', by: 'history' });
  keys.reset();
  expect(keys.get('newChat')).toBe('Ctrl+KeyN');
});

test('invalid stored shortcuts are ignored', () => {
  localStorage.setItem('hapa.shortcuts', '{"newChat":"KeyN","history":7,"models":"Ctrl+KeyL"}');
  const keys = new Shortcuts(localStorage);
  expect([keys.get('newChat'), keys.get('history'), keys.get('models')]).toEqual(['Ctrl+KeyN', 'Ctrl+KeyH', 'Ctrl+KeyL']);
  localStorage.setItem('hapa.shortcuts', 'null');
  expect(new Shortcuts(localStorage).get('models')).toBe('Ctrl+KeyM');
});
