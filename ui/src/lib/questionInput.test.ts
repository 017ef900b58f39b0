import { expect, test } from 'vitest';

import { summarize } from './questionInput';

test('a beginning is the first line of words, without code and not too long', () => {
  expect(summarize('```python\nsecret = 1\n```\n이게 왜 안 되죠?\n둘째 줄')).toBe('이게 왜 안 되죠?');
  expect(summarize('고쳐줘\n```\nopen')).toBe('고쳐줘');
  expect(summarize('가'.repeat(100))).toBe(`${'가'.repeat(79)}…`);
  expect(summarize('~~~\nonly = code\n~~~')).toBe('');
});
