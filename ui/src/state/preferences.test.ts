import { beforeEach, expect, test } from 'vitest';

import { Preferences } from './preferences.svelte';

beforeEach(() => localStorage.clear());

test("the window uses the system's language", () => {
  const spoken = (language: string) => new Preferences(localStorage, language).locale;
  expect(['ko', 'ko-KR', 'KO', 'en-GB', 'fr', ''].map(spoken)).toEqual(['ko', 'ko', 'ko', 'en', 'en', 'en']);
});

test('a preference overrides the system and is stored', () => {
  const preferences = new Preferences(localStorage, 'ko-KR');
  preferences.language = 'en';
  preferences.theme = 'dark';
  preferences.codeLanguage = 'rust';
  preferences.listShown = false;
  const later = new Preferences(localStorage, 'ko-KR');
  expect([later.locale, later.theme, later.codeLanguage, later.listShown]).toEqual(['en', 'dark', 'rust', false]);
  expect(later.messages.send).toBe('Send');
});

test('following the system means following its changes', () => {
  const preferences = new Preferences(localStorage, 'en-US');
  preferences.setSystemLanguage('ko-KR');
  expect(preferences.messages.send).toBe('보내기');
});

test('a stored preference of another version is ignored', () => {
  localStorage.setItem('hapa.theme', 'sepia');
  expect(new Preferences(localStorage, 'ko').theme).toBe('system');
});
