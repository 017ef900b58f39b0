import { beforeEach, expect, test } from 'vitest';

import { DEFAULT_PRESET } from '../lib/presets';
import { Draft } from './draft.svelte';

const written = (question: string) => ({ question, preset: DEFAULT_PRESET, files: [] });
const file = { path: 'a.py', content: 'x = 1' };

beforeEach(() => localStorage.clear());

test('what is typed survives a reload', () => {
  new Draft(localStorage).text = '리스트에서';
  expect(new Draft(localStorage).text).toBe('리스트에서');
});

test('unsent questions are restored before the current text', () => {
  const draft = new Draft(localStorage);
  const [one, other] = [{}, {}];
  draft.setUnsent(one, [written('첫 질문')]);
  draft.setUnsent(other, [written('둘째 질문')]);
  draft.setUnsent(one, []);
  draft.text = '쓰던 것';
  expect(new Draft(localStorage).text).toBe('둘째 질문\n\n쓰던 것');
  expect(new Draft(localStorage).text, 'once').toBe('둘째 질문\n\n쓰던 것');
});

test('what is to be done and the files survive a restart with the words', () => {
  const draft = new Draft(localStorage);
  draft.preset = 'bug_fix';
  draft.attach([file]);
  expect(new Draft(localStorage)).toMatchObject({ preset: 'bug_fix', files: [file] });
  draft.detach(file);
  expect(new Draft(localStorage).files).toEqual([]);
});

test('what is taken out leaves nothing behind', () => {
  const draft = new Draft(localStorage);
  draft.text = ' 고쳐 줘 ';
  draft.preset = 'bug_fix';
  draft.attach([file]);
  expect(draft.submit()).toEqual({ question: '고쳐 줘', preset: 'bug_fix', files: [file] });
  expect(new Draft(localStorage)).toMatchObject({ text: '', preset: DEFAULT_PRESET, files: [] });
});

test('an unsent question is restored with its files and preset', () => {
  new Draft(localStorage).setUnsent({}, [{ question: '고쳐 줘', preset: 'bug_fix', files: [file] }]);
  expect(new Draft(localStorage)).toMatchObject({ text: '고쳐 줘', preset: 'bug_fix', files: [file] });
});

test('files over the storage quota are not stored, and the text is', () => {
  const setItem = localStorage.setItem.bind(localStorage);
  const full = Object.assign(Object.create(localStorage) as Storage, {
    getItem: (name: string) => localStorage.getItem(name),
    removeItem: (name: string) => localStorage.removeItem(name),
    setItem(name: string, value: string) {
      if (value.length > 100) throw new DOMException('full', 'QuotaExceededError');
      setItem(name, value);
    },
  });
  const draft = new Draft(full);
  draft.text = '쓰던 것';
  draft.attach([{ path: 'large.py', content: 'x'.repeat(200) }]);
  expect(draft.files).toHaveLength(1);
  expect(new Draft(localStorage)).toMatchObject({ text: '쓰던 것', files: [] });
});

test('a restored question goes before the current text', () => {
  const draft = new Draft(localStorage);
  draft.text = '쓰던 것';
  draft.restore('되돌린 질문', { preset: 'code_review', files: [file] });
  expect(draft).toMatchObject({ text: '되돌린 질문\n\n쓰던 것', preset: 'code_review', files: [file] });
});

test('an invalid stored draft is ignored', () => {
  for (const kept of ['{', '{"a":1}', '[1, null, "질문"]', 'null']) {
    localStorage.clear();
    localStorage.setItem('hapa.unsent', kept);
    expect(new Draft(localStorage).text).toBe(kept.includes('질문') ? '질문' : '');
  }
});
