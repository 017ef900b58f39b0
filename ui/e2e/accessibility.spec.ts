// Accessibility tests: axe on every view in both languages and themes, and whole journeys by keyboard alone.
import AxeBuilder from '@axe-core/playwright';
import type { Locator, Page } from '@playwright/test';

import { expect, test } from './fixtures';

async function violationsOf(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
}

for (const language of ['ko', 'en'] as const) {
  for (const theme of ['light', 'dark'] as const) {
    test(`axe finds nothing on any view, ${language}, ${theme}`, async ({ app, page }) => {
      await app.open(page, { language, theme });
      await expect(page.getByTestId('example').first()).toBeVisible();
      expect(await violationsOf(page)).toEqual([]);
      await page.getByTestId('question').fill('something risky');
      await page.keyboard.press('Enter');
      await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'done');
      await page.getByTestId('check-code').click();
      await expect(page.getByTestId('code-findings')).toHaveAttribute('data-state', 'done');
      await page.getByTestId('opinion-positive').click();
      await expect(page.getByTestId('opinion-comment')).toBeVisible();
      expect(await violationsOf(page)).toEqual([]);
      await page.getByTestId('model-status').click();
      await expect(page.getByTestId('machine-models')).toBeVisible();
      expect(await violationsOf(page)).toEqual([]);
      await page.keyboard.press('Escape');
      await page.getByTestId('open-history').click();
      await page.getByTestId('history-search').fill('risky');
      await expect(page.getByTestId('history-item').locator('mark').first()).toBeVisible();
      expect(await violationsOf(page)).toEqual([]);
      await page.getByTestId('open-models').click();
      await page.getByTestId('hub-search').fill('smol');
      await page.keyboard.press('Enter');
      await page.getByTestId('hub-files').click();
      await expect(page.getByTestId('hub-download')).toBeVisible();
      expect(await violationsOf(page)).toEqual([]);
      await page.getByTestId('hub-download').click();
      await expect(page.getByTestId('confirm-dialog')).toBeVisible();
      expect(await violationsOf(page)).toEqual([]);
      await page.keyboard.press('Escape');
      await page.getByTestId('open-settings').click();
      await page.getByTestId('key-name').fill('Editor');
      await page.keyboard.press('Enter');
      await expect(page.getByTestId('made-key')).toBeVisible();
      expect(await violationsOf(page)).toEqual([]);
    });
  }
}

for (const [language, theme] of [['ko', 'light'], ['en', 'dark']] as const) {
  test(`axe finds nothing on the data, the log, the health, the metrics and the keys, ${language}, ${theme}`, async ({ app, page }) => {
    await app.open(page, { language, theme });
    await page.keyboard.press('Control+,');
    await expect(page.getByTestId('stored')).toBeVisible();
    expect(await violationsOf(page)).toEqual([]);
    await page.getByTestId('settings-logs').click();
    await page.getByTestId('log-line').last().click();
    expect(await violationsOf(page)).toEqual([]);
    await page.getByTestId('settings-doctor').click();
    await expect(page.getByTestId('doctor-verdict')).toBeVisible();
    expect(await violationsOf(page)).toEqual([]);
    await page.getByTestId('open-metrics').click();
    await expect(page.getByTestId('measure-cpu').locator('canvas')).toBeVisible();
    expect(await violationsOf(page)).toEqual([]);
    await page.getByTestId('form-table').click();
    expect(await violationsOf(page)).toEqual([]);
    await page.keyboard.press('Control+/');
    await expect(page.getByTestId('shortcuts')).toBeVisible();
    expect(await violationsOf(page)).toEqual([]);
  });

  test(`axe finds nothing about what goes with questions and conversations, ${language}, ${theme}`, async ({ app, page }) => {
    await app.open(page, { language, theme });
    await page.getByTestId('question').fill('/');
    await expect(page.getByTestId('preset-list')).toBeVisible();
    expect(await violationsOf(page)).toEqual([]);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.keyboard.type('explain');
    await expect(page.getByTestId('lacks-code')).toBeVisible();
    await page.getByTestId('file-input').setInputFiles([
      { name: 'large.txt', mimeType: 'text/plain', buffer: Buffer.from('word '.repeat(5000)) },
      { name: 'picture.png', mimeType: 'image/png', buffer: Buffer.from([0, 1, 2]) },
    ]);
    await expect(page.getByTestId('no-room')).toBeVisible();
    await expect(page.getByTestId('refused-files')).toBeVisible();
    expect(await violationsOf(page)).toEqual([]);
    await page.getByTestId('detach-file').click();
    await page.getByTestId('file-input').setInputFiles([{ name: 'a.py', mimeType: 'text/x-python', buffer: Buffer.from('x = 1\n') }]);
    await expect(page.getByTestId('token-gauge')).toHaveAttribute('data-tone', 'calm');
    expect(await violationsOf(page)).toEqual([]);
    await page.getByTestId('question').press('Enter');
    await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'done');
    await page.getByTestId('open-file').click();
    await page.getByTestId('regenerate').click();
    await expect(page.getByTestId('versions')).toBeVisible();
    await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'done');
    expect(await violationsOf(page)).toEqual([]);
    await page.getByTestId('edit-question').click();
    await expect(page.getByTestId('edited-preset')).toBeVisible();
    expect(await violationsOf(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByTestId('chat-menu').click();
    await expect(page.getByTestId('export-json').last()).toBeVisible();
    expect(await violationsOf(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await expect(page.getByTestId('chat-menu')).toBeFocused();
    const row = page.getByTestId('conversation');
    await row.hover();
    await row.getByTestId('delete-conversation').click();
    await expect(page.getByTestId('undo')).toBeVisible();
    expect(await violationsOf(page)).toEqual([]);
  });
}

test.describe('without a model', () => {
  test.use({ script: null });

  for (const [language, theme] of [['ko', 'light'], ['en', 'dark']] as const) {
    test(`axe finds nothing on the first start, ${language}, ${theme}`, async ({ app, page }) => {
      app.storage.pause();
      await app.open(page, { language, theme });
      await expect(page.getByTestId('catalogue-row')).toBeVisible();
      expect(await violationsOf(page)).toEqual([]);
      await page.getByTestId('import-file').setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('x') });
      await expect(page.getByTestId('import')).toBeVisible();
      expect(await violationsOf(page)).toEqual([]);
      await page.getByTestId('import-close').click();
      await page.getByTestId('download-model').click();
      await expect(page.getByTestId('download')).toHaveAttribute('data-state', 'downloading');
      expect(await violationsOf(page)).toEqual([]);
      await page.getByTestId('question').fill('Say hello.');
      await page.keyboard.press('Enter');
      await expect(page.getByTestId('model-coming')).toBeVisible();
      expect(await violationsOf(page)).toEqual([]);
    });
  }
});

test('a question is asked, found again and the models are reached by keyboard alone', async ({ app, page }) => {
  await app.open(page, { language: 'en' });
  await expect(page.getByTestId('question')).toBeFocused();
  await page.keyboard.type('remove duplicates');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'done');
  await page.keyboard.press('Control+n');
  await page.keyboard.press('Control+h');
  await expect(page.getByTestId('history-search')).toBeFocused();
  await page.keyboard.type('duplicates');
  await expect(page.getByTestId('history-item')).toHaveCount(1);
  for (let step = 0; step < 4; step += 1) await page.keyboard.press('Tab');
  await expect(page.getByTestId('history-item')).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('answer')).toContainText('dict.fromkeys');
  await page.keyboard.press('Control+m');
  await expect(page.getByTestId('model-row')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('question')).toBeFocused();
});

test.describe('with two models', () => {
  test.use({ script: null, models: ['first', 'second'] });

  test('the model that chats is changed by keyboard alone, and the new one answers', async ({ app, page }) => {
    await app.open(page, { language: 'en' });
    await page.keyboard.press('Control+m');
    const [first, second] = ['first', 'second'].map((name) => page.getByTestId('model-row').filter({ hasText: name })) as [Locator, Locator];
    await expect(first).toHaveAttribute('data-state', 'ready', { timeout: 45_000 });
    await tabTo(page, second.getByTestId('use-for-chat'));
    await page.keyboard.press('Enter');
    await expect(second).toHaveAttribute('data-state', 'ready', { timeout: 45_000 });
    await page.keyboard.press('Escape');
    await page.keyboard.type('Say hello.');
    await page.keyboard.press('Enter');
    await expect(page.getByTestId('answer')).toHaveAttribute('data-state', /streaming|done/, { timeout: 45_000 });
    await page.keyboard.press('Escape');
    await expect(page.getByTestId('answer')).toHaveAttribute('data-state', /stopped|done/);
    await expect(page.getByTestId('answer-meta')).toContainText('second');
  });
});

/** Presses Tab until `wanted` has the focus. */
async function tabTo(page: Page, wanted: Locator): Promise<void> {
  for (let step = 0; step < 60; step += 1) {
    if (await wanted.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error('the Tab key does not lead there');
}
