import { expect, test } from 'vitest';

import { excerpt, searchTerms } from './excerpt';

const shown = (text: string, search: string, length = 60) =>
  excerpt(text, searchTerms(search), length).map(({ text, isMatch }) => (isMatch ? `[${text}]` : text)).join('');

test('what was found is marked wherever it is, in any case', () => {
  expect(shown('A list, and another List.', 'list')).toBe('A [list], and another [List].');
  expect(shown('리스트에서 중복을 제거', '중복 리스트')).toBe('[리스트]에서 [중복]을 제거');
  expect(shown('aaa', 'aa a')).toBe('[aaa]');
  expect(shown('<b>bold</b>', 'b>')).toBe('<[b>]bold</[b>]');
});

test('of a long text the part around the first place is shown, on one line', () => {
  const long = `${'before '.repeat(30)}\n\nneedle ${'after '.repeat(30)}`;
  expect(shown(long, 'needle')).toMatch(/^…(before ){5,6}\[needle\] (after ?)+.*…$/);
  expect(shown(long, 'nothing', 20)).toBe('before before before…');
  expect(shown('', 'x')).toBe('');
});

test('of code in an answer the code is shown, not where it begins and ends', () => {
  expect(shown('이렇게:\n\n```python\nx = `1`\n```\n끝', 'x')).toBe('이렇게: [x] = `1` 끝');
});

test('letters whose lower case is longer cause no wrong match', () => {
  expect(shown('İİİ list', 'list')).toBe('İİİ list');
});
