import { render } from '@testing-library/svelte';
import { expect, test } from 'vitest';

import { testApp } from '../../testing/testApp';
import MarkdownInWindow from '../../testing/MarkdownInWindow.svelte';

async function shown(text: string, growing = false): Promise<HTMLElement> {
  const { app } = await testApp();
  return render(MarkdownInWindow, { app, text, growing }).container;
}

/** Payloads that models were prompted to write to escape the page. */
const hostile = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<IMG SRC="javascript:alert(1)">',
  '<svg onload=alert(1)><circle/></svg>',
  '<svg><script>alert(1)</script></svg>',
  '<iframe src="https://example.com"></iframe>',
  '<object data="data:text/html,<script>alert(1)</script>"></object>',
  '<embed src="https://example.com">',
  '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>',
  '<details open ontoggle=alert(1)>x</details>',
  '<style>@import "https://example.com/x.css";</style>',
  '<link rel=stylesheet href=https://example.com/x.css>',
  '<meta http-equiv=refresh content="0;url=https://example.com">',
  '<base href="https://example.com/">',
  '<form action="https://example.com"><button>x</button></form>',
  '<a href="javascript:alert(1)">x</a>',
  '<div style="background:url(https://example.com)">x</div>',
  '<template><script>alert(1)</script></template>',
  '[x](javascript:alert(1))',
  '[x](JaVaScRiPt:alert(1))',
  '[x](&#106;avascript:alert(1))',
  '[x](java\tscript:alert(1))',
  '[x](data:text/html;base64,PHNjcmlwdD4=)',
  '[x](vbscript:msgbox)',
  '[x]( "onmouseover=alert(1) ")',
  '[x]: javascript:alert(1)\n\n[x]',
  '<javascript:alert(1)>',
  '![x](https://example.com/track.png)',
  '![x](javascript:alert(1))',
  '![x](data:image/svg+xml,<svg onload=alert(1)>)',
  '![" onerror="alert(1)](x)',
  '```<img src=x onerror=alert(1)>\ncode\n```',
  '```html\n<script>alert(1)</script>\n```',
  '`<script>alert(1)</script>`',
  '| <img src=x onerror=alert(1)> |\n|---|\n| <script>alert(1)</script> |',
  '- <script>alert(1)</script>\n  <img src=x>',
  '> <iframe src=x>',
  '# <svg onload=alert(1)>',
  '**<b onclick=alert(1)>x</b>**',
  '&lt;script&gt;alert(1)&lt;/script&gt;',
  '{@html "<img src=x onerror=alert(1)>"} {{constructor}}',
  '<!--><script>alert(1)</script>-->',
  '<![CDATA[<script>alert(1)</script>]]>',
];

const ALLOWED = 'div,p,h3,h4,ul,ol,li,blockquote,table,thead,tbody,tr,th,td,hr,br,strong,em,del,code,pre,span,figure,figcaption,button,svg,path,input';

test.each(hostile)('nothing of %j becomes more than words', async (text) => {
  for (const growing of [false, true]) {
    const container = await shown(text, growing);
    const strange = [...container.querySelectorAll('*')].filter((element) => !element.matches(ALLOWED));
    expect(strange.map((element) => element.outerHTML)).toEqual([]);
    for (const element of container.querySelectorAll('*')) {
      for (const { name, value } of element.attributes) {
        expect(name, element.outerHTML).not.toMatch(/^on|^style$|^href$|^src|^action$|^xlink|^srcdoc$/i);
        if (name !== 'data-language') expect(value, element.outerHTML).not.toMatch(/javascript:|<|data:/i);
      }
    }
    expect(container.querySelectorAll('svg path:not([d])')).toHaveLength(0);
  }
});

test('HTML is shown as text', async () => {
  expect((await shown('Use <div class="a"> here')).textContent).toContain('<div class="a">');
  expect((await shown('<script>alert(1)</script>')).textContent).toContain('<script>alert(1)</script>');
});

test('a line break is one, also in a table', async () => {
  const container = await shown('| a |\n|---|\n| one<br>two |');
  expect(container.querySelector('td br')).not.toBeNull();
});

test('markdown looks like what it means', async () => {
  const container = await shown('## 제목\n\n1. 하나\n2. **둘** `코드`\n\n3. 셋\n\n~~x~~\n\n- [x] 끝\n\n| a |\n|:-:|\n| 1 |');
  expect(container.querySelector('h3.depth-2')?.textContent).toBe('제목');
  expect(container.querySelectorAll('ol > li')).toHaveLength(3);
  expect(container.querySelector('li strong')?.textContent).toBe('둘');
  expect(container.querySelector('li code')?.textContent).toBe('코드');
  expect(container.querySelector('del')?.textContent).toBe('x');
  expect(container.querySelector<HTMLInputElement>('li.task input')?.checked).toBe(true);
  expect(container.querySelector('td.center')?.textContent).toBe('1');
});

test('code in a list has its own button to copy it', async () => {
  const container = await shown('1. 설치:\n   ```bash\n   pip install x\n   ```');
  expect(container.querySelector('li figure code')?.textContent).toBe('pip install x');
  expect(container.querySelector('li [data-testid="copy-code"]')).not.toBeNull();
});

test('growing text keeps the elements that were there', async () => {
  const { app } = await testApp();
  const { container, rerender } = render(MarkdownInWindow, { app, text: '하나\n\n```python\na = 1\n', growing: true });
  const [paragraph, line] = [container.querySelector('p'), container.querySelector('.line')];
  await rerender({ text: '하나\n\n```python\na = 1\nb = 2\n```\n\n둘' });
  expect(container.querySelector('p')).toBe(paragraph);
  expect(container.querySelector('.line')).toBe(line);
  expect(container.querySelectorAll('.line')).toHaveLength(2);
});
