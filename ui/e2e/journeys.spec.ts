// The main user journeys, from the first click to the last.
import { expect, FILE, REPOSITORY, test } from './fixtures';

const ID = FILE.replace('.gguf', '');

test('a question is answered with code, which is checked and rated, and found again in the history', async ({ app, page }) => {
  await app.open(page, { language: 'en' });
  await page.getByTestId('question').fill('something risky');
  await page.getByTestId('send').click();
  await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'done');
  await page.getByTestId('check-code').click();
  await expect(page.getByTestId('code-findings')).toContainText('2:7');
  await expect(page.getByTestId('code-findings')).toContainText('S307');
  await page.getByTestId('opinion-negative').click();
  await page.getByTestId('opinion-comment').fill('it runs what people type');
  await page.keyboard.press('Enter');

  await page.getByTestId('new-chat').first().click();
  await page.getByTestId('question').fill('리스트에서 중복 제거');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'done');

  await page.getByTestId('open-history').click();
  await expect(page.getByTestId('history-item')).toHaveCount(2);
  await page.getByTestId('history-opinion').selectOption('negative');
  await expect(page.getByTestId('history-item')).toHaveCount(1);
  await page.getByTestId('history-opinion').selectOption('any');
  await page.getByTestId('history-search').fill('eval');
  await expect(page.getByTestId('history-item')).toHaveCount(1);
  await expect(page.getByTestId('history-item').locator('mark')).toHaveText('eval');
  await page.getByTestId('history-item').click();
  await expect(page.getByTestId('answer')).toContainText('조심하세요');
  await expect(page.getByTestId('opinion-negative')).toHaveAttribute('aria-pressed', 'true');
});

test('a conversation is renamed, pinned and deleted, and all of that lasts', async ({ app, page }) => {
  await app.open(page, { language: 'en' });
  for (const question of ['first question', 'second question']) {
    await page.getByTestId('new-chat').first().click();
    await page.getByTestId('question').fill(question);
    await page.keyboard.press('Enter');
    await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'done');
  }
  await page.getByTitle('first question', { exact: true }).focus();
  await page.keyboard.press('F2');
  await page.getByTestId('new-title').fill('a better name');
  await page.keyboard.press('Enter');
  const row = page.getByTestId('conversation').filter({ hasText: 'a better name' });
  await row.hover();
  await row.getByTestId('pin-conversation').click();
  await expect(page.getByTestId('conversation').first()).toContainText('a better name');
  await page.reload();
  await expect(page.getByTestId('conversation').first()).toContainText('a better name');
  const other = page.getByTestId('conversation').filter({ hasText: 'second question' });
  await other.hover();
  await other.getByTestId('delete-conversation').click();
  await expect(page.getByTestId('undo-notice')).toContainText('second question');
  await expect(page.getByTestId('conversation')).toHaveCount(1);
  // The window closes before the undo time is over.
  await page.reload();
  await expect(page.getByTestId('conversation')).toHaveCount(1);
  await expect(page.getByTestId('undo-notice')).toHaveCount(0);
});

test('a setting and a key take effect at once, and a revoked key is rejected', async ({ app, page, request }) => {
  await app.open(page, { language: 'en' });
  await page.keyboard.press('Control+,');
  await page.getByTestId('setting-cache_ttl').fill('0');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('outcome-privacy')).toHaveText('Saved');
  await page.getByTestId('key-name').fill('Editor');
  await page.keyboard.press('Enter');
  const key = (await page.getByTestId('made-key').locator('code').first().textContent()) ?? '';
  const opens = async () => (await request.get(`${app.api}/v1/models`, { headers: { 'X-API-Key': key } })).status();
  expect(await opens()).toBe(200);
  await page.getByTestId('revoke-key').click();
  await page.getByTestId('confirm').click();
  await expect(page.getByTestId('revoke-key')).toHaveCount(0);
  expect(await opens()).toBe(401);
  await page.reload();
  await page.keyboard.press('Control+,');
  await expect(page.getByTestId('setting-cache_ttl')).toHaveValue('0');
});

test.describe('without a model', () => {
  test.use({ script: null });

  test('a model is found on the hub, confirmed, downloaded, used, and deleted', async ({ app, page }) => {
    await app.open(page, { language: 'en' });
    await page.getByTestId('other-model').click();
    await expect(page.getByTestId('catalogue-row').filter({ hasText: 'Best for this computer' })).toHaveCount(1);
    await page.getByTestId('hub-search').fill('smollm2');
    await page.keyboard.press('Enter');
    await page.getByTestId('hub-row').filter({ hasText: REPOSITORY }).getByTestId('hub-files').click();
    await page.getByTestId('hub-download').click();
    await expect(page.getByTestId('confirm-dialog')).toContainText('SHA-256');
    await page.getByTestId('confirm').click();
    await expect(page.getByTestId('model-row').filter({ hasText: ID })).toHaveAttribute('data-state', 'ready', { timeout: 45_000 });
    await page.getByTestId('verify').click();
    await expect(page.getByTestId('verdict')).toContainText('intact');
    await page.getByTestId('give-up-download').click();

    await page.getByTestId('new-chat').first().click();
    await page.getByTestId('question').fill('Say hello.');
    await page.keyboard.press('Enter');
    await expect(page.getByTestId('answer')).toHaveAttribute('data-state', /streaming|done/, { timeout: 45_000 });
    await page.keyboard.press('Escape');

    await page.getByTestId('open-models').click();
    await page.getByTestId('remove-model').click();
    await page.getByTestId('confirm').click();
    await expect(page.getByTestId('models-empty')).toBeVisible();
  });
});
