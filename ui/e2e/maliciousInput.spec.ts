// Injection tests: no text from a model, a file or the hub is executed or loads anything, under the desktop app's own policy.
import type { Page } from '@playwright/test';

import { MALICIOUS_INPUT } from './maliciousInput';
import { expect, KEY, test } from './fixtures';

/** Records everything that only an injection would cause; returns a function that reads the record. */
async function detectInjection(page: Page): Promise<() => Promise<string[]>> {
  const observed: string[] = [];
  page.on('dialog', (dialog) => {
    observed.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    const url = request.url();
    if (/canary|evil/.test(url) || !/^(http:\/\/127\.0\.0\.1:|blob:)/.test(url)) observed.push(`request: ${url}`);
  });
  page.on('popup', () => observed.push('popup'));
  page.on('framenavigated', (frame) => {
    if (frame !== page.mainFrame() || !frame.url().includes('#base=')) observed.push(`frame: ${frame.url()}`);
  });
  await page.addInitScript(() => {
    const events: string[] = [];
    Object.assign(window, { events, canary: () => events.push('canary') });
    document.addEventListener('securitypolicyviolation', (event) => events.push(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  return async () => {
    const inPage = await page.evaluate(() => {
      const injected = [...document.querySelectorAll('body *')].filter(
        (element) =>
          /^(script|iframe|img|object|embed|base|meta|link|style|video|audio|source|math|marquee|use|animate|image|foreignobject)$/i.test(element.tagName) ||
          [...element.attributes].some(({ name, value }) => name.startsWith('on') || /^\s*(javascript|data|vbscript):/i.test(value)) ||
          (element instanceof HTMLElement && element.style.background.includes('url')) ||
          (element.tagName === 'A' && element.hasAttribute('href')),
      );
      return [...(window as unknown as { events: string[] }).events, ...injected.map(({ outerHTML }) => `element: ${outerHTML.slice(0, 120)}`)];
    });
    return [...observed, ...inPage];
  };
}

test.describe('nothing that is said does anything', () => {
  test.setTimeout(180_000);

  test('as the title, the question, the answer and the files of a conversation', async ({ app, page, request }) => {
    const conversations = MALICIOUS_INPUT.map((title, index) => ({ id: `c${index}`, title, pinned: false, created_at: at(index), updated_at: at(index) }));
    const messages = MALICIOUS_INPUT.map((text, index) => ({
      id: `m${index}`,
      conversation_id: `c${index}`,
      timestamp: at(index),
      question: text,
      response: text,
      model_used: text,
      language: 'python',
      finish_reason: 'stop',
      success: true,
      files: [{ path: text.slice(0, 200), content: text }],
    }));
    const data = { format: 'hapa-history', version: 1, conversations, messages };
    const taken = await request.post(`${app.api}/api/v1/user/history/import`, { headers: { 'X-API-Key': KEY }, data });
    expect(await taken.json()).toMatchObject({ imported: MALICIOUS_INPUT.length, invalid: 0 });

    const detected = await detectInjection(page);
    await app.open(page, { language: 'en' });
    await page.getByRole('button', { name: 'Show more' }).click();
    await expect(page.getByTestId('conversation')).toHaveCount(MALICIOUS_INPUT.length);
    for (const [index, text] of MALICIOUS_INPUT.entries()) {
      await page.locator(`[data-id="c${index}"] [data-row]`).click();
      const message = page.locator(`[data-message="m${index}"]`);
      await expect(message.getByTestId('answer')).toBeVisible();
      await message.getByTestId('open-file').click();
      await expect(message.getByTestId('file-content')).toBeVisible();
      // Every button in an answer is clicked.
      for (const link of await message.locator('article .markdown button:not([data-testid])').all()) await link.click();
      expect(await detected(), text).toEqual([]);
    }
    await page.getByTestId('open-history').click();
    await expect(page.getByTestId('history-item').first()).toBeVisible();
    expect(await detected()).toEqual([]);

    // The detector does see a real injection.
    await page.evaluate((html) => document.body.insertAdjacentHTML('beforeend', html), '<img src=x-canary onerror=canary()>');
    await expect.poll(detected).toEqual(expect.arrayContaining([expect.stringMatching(/^request/), expect.stringMatching(/^policy/), expect.stringMatching(/^element/)]));
  });

  test.describe('', () => {
    const all = MALICIOUS_INPUT.join('\n\n');
    const NAME = '<img src=x-canary onerror=canary()>';
    test.use({
      // In small pieces, so that every prefix is rendered once.
      script: { model: NAME, answers: [{ pieces: all.match(/[^]{1,7}/g) ?? [] }] },
      hub: {
        repositories: MALICIOUS_INPUT.slice(0, 40).map((text, index) => ({
          id: `owner/${index % 2 === 0 ? `model-${index}` : text}`,
          author: text,
          downloads: 1,
          likes: 1,
          tags: ['gguf', `license:${text}`],
          gated: false,
        })),
      },
    });

    test('as it is written, as a file that is brought, and as a model of the hub', async ({ app, page }) => {
      const detected = await detectInjection(page);
      await app.open(page, { language: 'en' });
      await expect(page.getByTestId('model-status')).toContainText(NAME);
      const data = await page.evaluateHandle((names) => {
        const data = new DataTransfer();
        for (const name of names) data.items.add(new File(['x = 1'], name));
        return data;
      }, MALICIOUS_INPUT.slice(0, 19));
      await page.dispatchEvent('body', 'drop', { dataTransfer: data });
      await expect(page.getByTestId('file-chip')).toHaveCount(19);
      expect(await detected()).toEqual([]);
      await page.getByTestId('question').fill(MALICIOUS_INPUT[0] ?? '');
      await page.keyboard.press('Enter');
      await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'done');
      expect(await detected()).toEqual([]);
      await page.getByTestId('model-status').click();
      await expect(page.getByTestId('machine-models')).toBeVisible();
      expect(await detected()).toEqual([]);
      await page.keyboard.press('Escape');
      await page.getByTestId('open-models').click();
      await page.getByTestId('hub-search').fill('qwen');
      await page.keyboard.press('Enter');
      await expect(page.getByTestId('hub-row').first()).toBeVisible();
      for (const files of (await page.getByTestId('hub-files').all()).slice(0, 3)) await files.click();
      expect(await detected()).toEqual([]);
    });
  });
});

function at(index: number): string {
  return new Date(Date.parse('2024-01-01T00:00:00Z') + index * 60_000).toISOString();
}
