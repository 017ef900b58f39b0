import { expect, test } from 'vitest';

import { beginningOf } from './question';

test('a beginning is the first line of words, without code and not too long', () => {
  expect(beginningOf('```python\nsecret = 1\n```\n이게 왜 안 되죠?\n둘째 줄')).toBe('이게 왜 안 되죠?');
  expect(beginningOf('고쳐줘\n```\nopen')).toBe('고쳐줘');
  expect(beginningOf('가'.repeat(100))).toBe(`${'가'.repeat(79)}…`);
  expect(beginningOf('~~~\nonly = code\n~~~')).toBe('');
});
