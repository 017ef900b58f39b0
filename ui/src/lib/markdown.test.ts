import { expect, test } from 'vitest';

import { safeLink, parse, incrementalParser, decodeEntities } from './markdown';

const DOCUMENT = `중복을 제거합니다.

- 하나

- 둘
  \`\`\`python
  x = 1
  \`\`\`

제목
===

| a | b |
|---|--:|
| 1 | 2 |

\`\`\`python
def f():
\treturn [1]

\`\`\`
> 끝 **굵게** [x](https://example.com)`;

test('growing text reads, at every length, as it would at once', () => {
  const grow = incrementalParser();
  for (let length = 0; length <= DOCUMENT.length; length += 1) {
    const text = DOCUMENT.slice(0, length);
    expect(grow(text, true), `after ${length} characters`).toEqual(parse(text));
  }
});

test('what is settled stays the same object', () => {
  const before = parse('one\n\ntwo\n\nthree');
  const after = parse('one\n\ntwo\n\nthree and more', before);
  expect(after[0]).toBe(before[0]);
  expect(after[2]).toBe(before[2]);
  expect(after[4]).not.toBe(before[4]);
});

test('another text is parsed from its beginning', () => {
  expect(parse('two\n\nmore', parse('one\n\nmore'))).toEqual(parse('two\n\nmore'));
});

test('only addresses of the web and of mail are addresses', () => {
  for (const good of ['https://example.com/a?b=c', 'HTTP://EXAMPLE.COM', 'mailto:a@example.com']) {
    expect(safeLink(good)).toBe(good);
  }
  const bad = ['javascript:alert(1)', ' javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'data:text/html,<script>', 'vbscript:x', 'file:///etc/passwd',
    'tauri://localhost', 'blob:https://x', '//example.com', '/etc', '#x', 'https://', ''];
  for (const href of bad) expect(safeLink(href), href).toBeUndefined();
});

test('entities are the characters they stand for', () => {
  expect(decodeEntities('a &lt;b&gt; &amp;amp; &#44032;&#xAC01; &unknown; &#9999999;')).toBe('a <b> &amp; 가각 &unknown; &#9999999;');
});
