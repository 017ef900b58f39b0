import { expect, test } from 'vitest';

import { extensionOf, suggestFileName, languageOf, looksLikeCode } from './codeLanguages';

test('a file is named after its first declaration', () => {
  const names: [code: string, language: string, name: string][] = [
    ['import os\n\nclass Stack:\n    def push(self): ...', 'python', 'Stack.py'],
    ['async def fetch(url):\n    ...', 'Python', 'fetch.py'],
    ['export default function sortBy(items) {}', 'javascript', 'sortBy.js'],
    ['pub(crate) fn parse(text: &str) {}', 'rust', 'parse.rs'],
    ['func (s *Server) Serve() {}', 'go', 'Serve.go'],
    ['public final class Main {}', 'java', 'Main.java'],
    ['create table if not exists users (id int)', 'sql', 'users.sql'],
    ['print(1)', 'python', 'code.py'],
    ['hello', 'klingon', 'code.txt'],
    ['# define class names\nx = 1', '', 'code.txt'],
  ];
  for (const [code, language, name] of names) expect(suggestFileName(code, language, 'code'), code).toBe(name);
});

test('languages and endings belong together', () => {
  expect(extensionOf('c++')).toBe('cpp');
  expect(languageOf('src/main.rs')).toBe('rust');
  expect(languageOf('page.TSX')).toBe('typescript');
  for (const path of ['Makefile', 'a.unknown', '']) expect(languageOf(path), path).toBe('');
});

test('code is distinguished from prose', () => {
  const code = ['def f(x):\n    return x', 'const a = 1;\nconsole.log(a);', '```\nx\n```', '#include <stdio.h>\nint main() {\n  return 0;\n}', 'x = 1\ny = 2'];
  for (const text of code) expect(looksLikeCode(text), text).toBe(true);
  const words = ['', '리스트에서 중복을 제거해 줘', 'What does this do?\nI do not know.', '하나\n둘\n셋', 'a = b'];
  for (const text of words) expect(looksLikeCode(text), text).toBe(false);
});
