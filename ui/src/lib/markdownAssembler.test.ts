import { expect, test } from 'vitest';

import { MarkdownAssembler } from './markdownAssembler';
import { parse, type MarkedToken } from './markdown';

/** The blocks of the parsed answer, in short form. */
function blocks(assembly: MarkdownAssembler): string[] {
  return parse(assembly.text)
    .map((token) => token as MarkedToken)
    .filter((block) => block.type !== 'space')
    .map((block) => (block.type === 'code' ? `${block.lang}: ${block.text}` : block.raw.trim()));
}

test('explanation and code come in the order of the document', () => {
  const answer = new MarkdownAssembler();
  answer.explanation('먼저 ');
  answer.explanation('이렇게:');
  answer.code('def f():\n', 'python');
  answer.code('    return 1\n');
  answer.explanation('\n\n그리고 ');
  answer.explanation('끝.');
  expect(blocks(answer)).toEqual(['먼저 이렇게:', 'python: def f():\n    return 1', '그리고 끝.']);
});

test('a later block loses the blank line that set it apart', () => {
  const answer = new MarkdownAssembler();
  answer.code('a = 1', 'python');
  answer.code('\n\nb();', 'javascript');
  expect(blocks(answer)).toEqual(['python: a = 1', 'javascript: b();']);
});

test('code that is still being written is code already', () => {
  const answer = new MarkdownAssembler();
  answer.explanation('여기:');
  answer.code('whi', 'python');
  expect(blocks(answer)).toEqual(['여기:', 'python: whi']);
});

test('fences inside the code do not end it', () => {
  const answer = new MarkdownAssembler();
  answer.code('"""\n```\nx\n```\n"""\n', 'python');
  answer.explanation('뒤');
  expect(blocks(answer)).toEqual(['python: """\n```\nx\n```\n"""', '뒤']);
});

test('fences inside the explanation stay', () => {
  const answer = new MarkdownAssembler();
  answer.explanation('실행:\n\n```bash\npython3 a.py\n```\n');
  expect(blocks(answer)).toEqual(['실행:', 'bash: python3 a.py']);
});

test('an answer is continued where it ended, inside a block or after it', () => {
  const within = new MarkdownAssembler('Like this:\n\n```python\nx = ');
  within.code('1\n');
  within.explanation('Done.');
  expect(within.text).toBe('Like this:\n\n```python\nx = 1\n``````\n\nDone.');
  const after = new MarkdownAssembler('```python\nx = 1\n```\n\nLike');
  after.explanation(' this.');
  expect(after.text).toBe('```python\nx = 1\n```\n\nLike this.');
});
