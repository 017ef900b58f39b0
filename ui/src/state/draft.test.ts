import { beforeEach, expect, test } from 'vitest';

import { Draft } from './draft.svelte';

beforeEach(() => localStorage.clear());

test('what is typed survives a reload', () => {
  new Draft(localStorage).text = '리스트에서';
  expect(new Draft(localStorage).text).toBe('리스트에서');
});

test('questions that were on their way come back, before what is typed', () => {
  const draft = new Draft(localStorage);
  const [one, other] = [{}, {}];
  draft.unsent(one, ['첫 질문']);
  draft.unsent(other, ['둘째 질문']);
  draft.unsent(one, []);
  draft.text = '쓰던 것';
  expect(new Draft(localStorage).text).toBe('둘째 질문\n\n쓰던 것');
  expect(new Draft(localStorage).text, 'once').toBe('둘째 질문\n\n쓰던 것');
});

test('a question that is taken back goes before what is typed', () => {
  const draft = new Draft(localStorage);
  draft.text = '쓰던 것';
  draft.takeBack('되돌린 질문');
  expect(draft.text).toBe('되돌린 질문\n\n쓰던 것');
});

test('what is no draft is forgotten without harm', () => {
  for (const kept of ['{', '{"a":1}', '[1, null, "질문"]', 'null']) {
    localStorage.clear();
    localStorage.setItem('hapa.unsent', kept);
    expect(new Draft(localStorage).text).toBe(kept.includes('질문') ? '질문' : '');
  }
});
