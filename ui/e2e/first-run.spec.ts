// First-run tests: from no model to the first answer.
import { expect, test } from './fixtures';

test.use({ script: null });

test('the first question is asked while the model downloads, and answered as soon as it is loaded', async ({ app, page }) => {
  app.storage.pause();
  await app.open(page, { language: 'en' });
  await expect(page.getByTestId('first-run')).toBeVisible();
  await expect(page.getByTestId('question')).toBeFocused();
  await expect(page.getByTestId('catalogue-row')).toContainText('Best for this computer');
  await expect(page.getByTestId('catalogue-row')).toContainText('apache-2.0');
  await page.getByTestId('download-model').click();
  await expect(page.getByTestId('download')).toHaveAttribute('data-state', 'downloading');

  await page.getByTestId('first-pythonSkillLevel').selectOption('beginner');
  await expect(page.getByTestId('profile-choices')).toContainText('Saved');
  await page.getByTestId('example').last().click();
  await expect(page.getByTestId('question')).not.toHaveValue('');
  await page.getByTestId('question').fill('Say hello.');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('answer')).toContainText('The model is downloading');
  await expect(page.getByTestId('model-coming')).toContainText('Downloading');
  await page.getByTestId('open-models').click();
  await expect(page.getByTestId('download')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'waiting');

  app.storage.resume();
  await expect(page.getByTestId('answer')).toHaveAttribute('data-state', /streaming|done/, { timeout: 45_000 });
  await expect(page.getByTestId('model-coming')).toHaveCount(0);
  await expect(page.getByTestId('model-status')).toHaveAttribute('data-state', 'ready');
  await page.reload();
  await expect(page.getByTestId('conversation')).toHaveCount(1);
  await expect(page.getByTestId('first-run')).toHaveCount(0);
});

test('a failed download shows its error and is retried; the downloaded model is ready for the first question', async ({ app, page }) => {
  app.storage.isAvailable = false;
  await app.open(page, { language: 'en' });
  await page.getByTestId('download-model').click();
  const download = page.getByTestId('download');
  await expect(download).toHaveAttribute('data-state', 'failed');
  await expect(download).toContainText('the model hub has no such file');
  app.storage.isAvailable = true;
  await page.getByTestId('resume-download').click();
  await expect(page.getByTestId('offer-ready')).toBeVisible({ timeout: 45_000 });
  await expect(page.getByTestId('model-status')).toHaveAttribute('data-state', 'ready');
  await expect(page.getByTestId('first-run')).toBeVisible();
});

test('the other ways lead to the models and to the remote server', async ({ app, page }) => {
  await app.open(page, { language: 'en' });
  await page.getByTestId('other-model').click();
  await expect(page.getByTestId('hub-search')).toBeVisible();
  await page.keyboard.press('Escape');
  await page.getByTestId('use-remote').click();
  await expect(page.getByTestId('remote-endpoint')).toBeInViewport();
});
