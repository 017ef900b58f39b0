import { expect, test } from 'vitest';

import { toMarkdown, exportFileName } from './conversationExport';
import { conversation, historyItem } from '../testing/items';

const items = [
  historyItem('m1', {
    question: '고쳐 줘\n\n빨리',
    files: [{ path: 'a`.md', content: '```\nx\n```\n' }],
    code_context: 'y = 2',
    response: '이렇게:\n\n```python\nx = 1\n```\n',
  }),
  historyItem('m2', { model_used: '' }),
];

test('a conversation is exported as Markdown, with files and code in fences', () => {
  expect(toMarkdown(conversation('c', '중복\n제거'), items)).toBe(`# 중복 제거

## 2024-12-28T10:00:00Z

> 고쳐 줘
>
> 빨리

\`a.md\`

\`\`\`\`
\`\`\`
x
\`\`\`
\`\`\`\`

\`\`\`python
y = 2
\`\`\`

이렇게:

\`\`\`python
x = 1
\`\`\`

*scripted*

## 2024-12-28T10:00:00Z

> question m2

answer m2
`);
});

test('an export is named after the title, as far as file systems allow', () => {
  const names: [title: string, name: string][] = [
    ['리스트 중복 제거', '리스트 중복 제거.md'],
    ['../../etc/passwd', 'etc passwd.md'],
    ['a\u202Egpj.exe: <b>?', 'a gpj.exe b.md'],
    ['...', 'hapa.md'],
    ['가'.repeat(200), `${'가'.repeat(60)}.md`],
  ];
  for (const [title, name] of names) expect(exportFileName(conversation('c', title), 'markdown'), title).toBe(name);
});
