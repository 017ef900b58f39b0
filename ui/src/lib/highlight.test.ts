import { expect, test } from 'vitest';

import { highlight } from './highlight';

const CODE = 'def 함수(x):\n    """여러\n    줄"""\n\n    return f"{x}"  # 주석';
const text = (code: string, language: string) => highlight(code, language).flatMap((line) => line.tokens.map((piece) => piece.text)).join('');

test('the pieces are the code, to the letter', () => {
  for (const language of ['python', 'rust', 'html', 'no-such-language', '']) {
    for (const code of [CODE, `${CODE}\n`, '\n\n', '']) expect(text(code, language)).toBe(code);
  }
});

test('a string over several lines is highlighted on each', () => {
  const kinds = highlight(CODE, 'python').map((line) => line.tokens.map((piece) => piece.kind));
  expect(kinds[1]).toContain('hljs-string');
  expect(kinds[2]).toContain('hljs-string');
  expect(kinds[0]).toContain('hljs-keyword');
});

test('lines that did not change stay the same objects', () => {
  const before = highlight('a = 1\nb = 2\nc', 'python');
  const after = highlight('a = 1\nb = 2\nc = 3\n', 'python', before);
  expect(after.slice(0, 2).every((line, index) => line === before[index])).toBe(true);
  expect(after[2]).not.toBe(before[2]);
});

test('the names that models use are known', () => {
  for (const name of ['python', 'py', 'js', 'ts', 'tsx', 'c++', 'sh', 'bash', 'rs', 'golang', 'html', 'yml', 'toml', 'json', 'sql', 'c#']) {
    expect(highlight('<b a="x">1</b> // #', name).some((line) => line.tokens.some((piece) => piece.kind)), name).toBe(true);
  }
});
