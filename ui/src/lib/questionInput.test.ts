import { expect, test } from 'vitest';

import { summarize } from './questionInput';

test('a summary is the first line of prose, without code and truncated', () => {
  expect(summarize('```python\nsecret = 1\n```\n이게 왜 안 되죠?\n둘째 줄')).toBe('이게 왜 안 되죠?');
  expect(summarize('고쳐줘\n```\nopen')).toBe('고쳐줘');
  expect(summarize('가'.repeat(100))).toBe(`${'가'.repeat(79)}…`);
  expect(summarize('~~~\nonly = code\n~~~')).toBe('');
});
