// Tests of the settings view over the real sidecar.
import { readFileSync } from 'node:fs';

import type { Page } from '@playwright/test';

import { expect, FILE, test } from './fixtures';

const ID = FILE.replace('.gguf', '');

async function ask(page: Page, question: string): Promise<void> {
  await page.getByTestId('question').fill(question);
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'done');
}

test('keys are listed, chosen, and last over a reload', async ({ app, page }) => {
  await app.open(page, { language: 'en' });
  await expect(page.getByTestId('question')).toBeFocused();
  await page.keyboard.press('Control+/');
  await expect(page.getByTestId('shortcuts')).toContainText('Ctrl+Shift+M');
  await page.getByTestId('change-shortcuts').click();
  await page.getByTestId('keys-history').click();
  await page.keyboard.press('Control+m');
  await expect(page.getByTestId('keys-outcome')).toContainText('Already used for “Open models”');
  await page.getByTestId('keys-history').click();
  await page.keyboard.press('Control+Shift+F');
  await expect(page.getByTestId('keys-history')).toHaveText('Ctrl+Shift+F');
  await page.reload();
  await expect(page.getByTestId('question')).toBeFocused();
  await page.keyboard.press('Control+h');
  await expect(page.getByTestId('question')).toBeVisible();
  await page.keyboard.press('Control+Shift+F');
  await expect(page.getByTestId('history-search')).toBeFocused();
});

test('another port waits for a restart, and says so until it is taken back', async ({ app, page }) => {
  await app.open(page, { language: 'en' });
  await page.keyboard.press('Control+,');
  await expect(page.getByTestId('part-server')).toContainText(app.api);
  await page.getByTestId('setting-port').fill('18123');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('restart-required')).toBeVisible();
  await expect(page.getByTestId('outcome-server')).toHaveText('Saved');
  await page.getByTestId('setting-port').fill('');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('restart-required')).toHaveCount(0);
});

test('the history is saved as a file, and comes back from it', async ({ app, page }) => {
  await app.open(page, { language: 'en' });
  await ask(page, 'something risky');
  await page.keyboard.press('Control+,');
  await expect(page.getByTestId('stored')).toContainText('Conversations and history');
  const download = page.waitForEvent('download');
  await page.getByTestId('export-history-json').click();
  const file = await (await download).path();
  expect(readFileSync(file, 'utf8')).toContain('something risky');
  await expect(page.getByTestId('outcome-data')).toHaveText('Saved');
  await page.getByTestId('forget-everything').click();
  await page.getByTestId('confirm').click();
  await expect(page.getByTestId('conversation')).toHaveCount(0);
  await page.getByTestId('import-history-file').setInputFiles({ name: 'history.json', mimeType: 'application/json', buffer: readFileSync(file) });
  await expect(page.getByTestId('imported')).toBeVisible();
  await expect(page.getByTestId('conversation')).toHaveCount(1);
  await page.getByTestId('conversation').getByText('something risky').click();
  await expect(page.getByTestId('answer')).toContainText('조심하세요');
});

test('the log is filtered by level and text, and the doctor shows its diagnosis', async ({ app, page }) => {
  await app.open(page, { language: 'en' });
  await page.keyboard.press('Control+,');
  await page.getByTestId('settings-logs').click();
  await expect(page.getByTestId('log-line').first()).toBeVisible();
  const line = page.getByTestId('log-line').last();
  await line.click();
  await expect(line.locator('dl')).toContainText('sidecar');
  await page.getByTestId('logs-search').fill('there is no line with these words');
  await expect(page.getByTestId('logs-empty')).toBeVisible();
  await page.getByTestId('settings-doctor').click();
  await expect(page.getByTestId('doctor-verdict')).toBeVisible();
  await expect(page.getByTestId('doctor')).toContainText('checks passed');
});

test.describe('without a model', () => {
  test.use({ script: null });

  test('a model file is imported, validated and used, and an invalid one is rejected', async ({ app, page }) => {
    await app.open(page, { language: 'en' });
    await page.getByTestId('import-file').setInputFiles({ name: 'broken.gguf', mimeType: 'application/octet-stream', buffer: Buffer.from('GGUF, but not really') });
    await expect(page.getByTestId('import')).toHaveAttribute('data-state', 'failed');
    await expect(page.getByTestId('import').getByRole('alert')).not.toBeEmpty();
    await page.getByTestId('import-close').click();
    await page.getByTestId('import-file').setInputFiles(process.env['HAPA_TEST_MODEL'] ?? '');
    await expect(page.getByTestId('offer-ready')).toBeVisible({ timeout: 45_000 });
    await page.getByTestId('open-models').click();
    await expect(page.getByTestId('model-row')).toHaveAttribute('data-state', 'ready');
    await expect(page.getByTestId('model-row')).toContainText(ID);
    await page.getByTestId('import-file').setInputFiles(process.env['HAPA_TEST_MODEL'] ?? '');
    await expect(page.getByTestId('import').last().getByRole('alert')).toBeVisible();
  });
});
