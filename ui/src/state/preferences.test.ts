import { beforeEach, expect, test } from 'vitest';

import { Preferences } from './preferences.svelte';

beforeEach(() => localStorage.clear());

test('the window speaks the language of the system', () => {
  const spoken = (language: string) => new Preferences(localStorage, language).locale;
  expect(['ko', 'ko-KR', 'KO', 'en-GB', 'fr', ''].map(spoken)).toEqual(['ko', 'ko', 'ko', 'en', 'en', 'en']);
});

test('a choice wins over the system and is kept', () => {
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

test('a choice of another version is no choice', () => {
  localStorage.setItem('hapa.theme', 'sepia');
  expect(new Preferences(localStorage, 'ko').theme).toBe('system');
});
