// Screenshots of every view in both languages and themes, for `cargo xtask screens`. With HAPA_MODEL they show that model's answers.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { expect, SCRIPT, test } from './fixtures';

const folder = process.env['HAPA_SCREENSHOTS'] ?? '';
test.skip(folder === '', 'no pictures are wanted');
test.use({ script: process.env['HAPA_MODEL'] ? null : SCRIPT });

for (const [width, height] of [[800, 600], [1280, 800], [1920, 1080]] as const) {
  for (const language of ['ko', 'en'] as const) {
    for (const theme of ['light', 'dark'] as const) {
      // Both languages and themes at the usual size; the other sizes once each.
      if (width !== 1280 && (language === 'ko') !== (theme === 'light')) continue;
      test.setTimeout(180_000);
      test(`${width} ${language} ${theme}`, async ({ app, page }) => {
        mkdirSync(folder, { recursive: true });
        const screenshot = async (view: string) => {
          await page.screenshot({ path: join(folder, `${view}-${width}-${language}-${theme}.png`), animations: 'disabled' });
        };
        await page.setViewportSize({ width, height });
        await app.open(page, { language, theme });
        await expect(page.getByTestId('example').first()).toBeVisible();
        await screenshot('welcome');
        await page.getByTestId('question').fill('리스트에서 중복을 제거하는 함수 만들어줘');
        await page.keyboard.press('Enter');
        await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'done', { timeout: 120_000 });
        await page.getByTestId('check-code').click();
        await expect(page.getByTestId('code-findings')).toHaveAttribute('data-state', 'done');
        await screenshot('chat');
        await page.getByTestId('question').fill('/');
        await expect(page.getByTestId('preset-list')).toBeVisible();
        await screenshot('presets');
        await page.getByTestId('preset-option').nth(2).click();
        await page.getByTestId('question').fill('빈 목록에서 멈춰요');
        await page.getByTestId('file-input').setInputFiles([
          { name: 'unique.py', mimeType: 'text/x-python', buffer: Buffer.from('def unique(items):\n    return list(set(items))\n') },
          { name: 'picture.png', mimeType: 'image/png', buffer: Buffer.from([0]) },
        ]);
        await expect(page.getByTestId('token-gauge')).toBeVisible();
        await screenshot('files');
        await page.getByTestId('question').press('Enter');
        await expect(page.getByTestId('answer').last()).toHaveAttribute('data-state', 'done', { timeout: 120_000 });
        await page.getByTestId('regenerate').click();
        await expect(page.getByTestId('versions')).toBeVisible();
        await expect(page.getByTestId('answer').last()).toHaveAttribute('data-state', 'done', { timeout: 120_000 });
        await screenshot('versions');
        await page.getByTestId('open-file').click();
        await page.getByTestId('edit-question').first().click();
        await screenshot('edit');
        await page.keyboard.press('Escape');
        await page.getByTestId('chat-menu').click();
        await screenshot('menu');
        await page.keyboard.press('Escape');
        await page.getByTestId('new-chat').first().click();
        await page.getByTestId('conversation').first().hover();
        await page.getByTestId('delete-conversation').first().click();
        await screenshot('undo');
        await page.getByTestId('undo').click();
        await page.getByTestId('conversation').first().locator('[data-row]').click();
        await page.getByTestId('opinion-positive').first().click();
        await page.getByTestId('open-history').click();
        await page.getByTestId('history-search').fill('중복');
        await expect(page.getByTestId('history-item').locator('mark').first()).toBeVisible();
        await screenshot('history');
        await page.getByTestId('open-models').click();
        await page.getByTestId('hub-search').fill('smollm2');
        await page.keyboard.press('Enter');
        await page.getByTestId('hub-files').click();
        await page.getByTestId('hub-download').click();
        await screenshot('consent');
        await page.getByTestId('confirm').click();
        await expect(page.getByTestId('download').first()).toBeVisible();
        await screenshot('models');
        await page.getByTestId('open-settings').click();
        await expect(page.getByTestId('part-privacy')).toBeVisible();
        await screenshot('settings');
        await page.getByTestId('key-name').fill('Editor');
        await page.keyboard.press('Enter');
        await page.getByTestId('made-key').scrollIntoViewIfNeeded();
        await screenshot('keys');
        await page.getByTestId('part-data').scrollIntoViewIfNeeded();
        await screenshot('data');
        await page.getByTestId('settings-logs').click();
        await page.getByTestId('log-line').last().click();
        await screenshot('logs');
        await page.getByTestId('settings-doctor').click();
        await expect(page.getByTestId('doctor-verdict')).toBeVisible();
        await screenshot('doctor');
        await page.getByTestId('open-metrics').click();
        await expect(page.getByTestId('measure-cpu').locator('canvas')).toBeVisible();
        await screenshot('metrics');
        await page.keyboard.press('Control+/');
        await screenshot('shortcuts');
      });

      test.describe('at first', () => {
        test.use({ script: null, model: '' });

        test(`${width} ${language} ${theme}, the first start`, async ({ app, page }) => {
          mkdirSync(folder, { recursive: true });
          await page.setViewportSize({ width, height });
          app.storage.pause();
          await app.open(page, { language, theme });
          await expect(page.getByTestId('catalogue-row')).toBeVisible();
          await page.screenshot({ path: join(folder, `first-${width}-${language}-${theme}.png`), animations: 'disabled' });
          await page.getByTestId('download-model').click();
          await expect(page.getByTestId('download')).toHaveAttribute('data-state', 'downloading');
          await page.screenshot({ path: join(folder, `first-coming-${width}-${language}-${theme}.png`), animations: 'disabled' });
        });
      });
    }
  }
}
