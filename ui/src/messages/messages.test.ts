import { expect, test } from 'vitest';

import { en } from './en';
import { ko } from './ko';

/** Every sentence by its path; sentences with gaps are filled with samples. */
function sentences(messages: object, path = ''): [string, string][] {
  return Object.entries(messages).flatMap(([name, value]): [string, string][] => {
    const here = `${path}${name}`;
    if (typeof value === 'string') return [[here, value]];
    if (typeof value === 'function') return [[here, String((value as (...gaps: number[]) => string)(1, 2))]];
    return sentences(value as object, `${here}.`);
  });
}

test('both languages say the same things', () => {
  expect(sentences(en).map(([path]) => path).sort()).toEqual(sentences(ko).map(([path]) => path).sort());
});

test('no text is empty', () => {
  for (const [path, sentence] of [...sentences(ko), ...sentences(en)]) expect(sentence.trim(), path).not.toBe('');
});

test('English has no Korean in it, and Korean sentences have', () => {
  for (const [path, sentence] of sentences(en)) expect(sentence, path).not.toMatch(/[가-힣]/);
  for (const [path, sentence] of sentences(ko)) expect(sentence, path).toMatch(/[가-힣]/);
});

test('sentences with gaps show what fills them', () => {
  for (const messages of [ko, en]) {
    expect(messages.tokensPerSecond(14.26)).toContain('14.3');
    expect(messages.tooLong(10_001, 10_000)).toContain('10,001');
    expect(messages.modelLoading(42)).toContain('42%');
    expect(messages.modelLoading(undefined)).not.toContain('undefined');
    expect(messages.incident('INC-1')).toContain('INC-1');
    expect(messages.deleteConversation('정렬')).toContain('정렬');
  }
});
