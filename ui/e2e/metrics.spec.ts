// Tests of the metrics view: charts, table and export.
import { readFileSync } from 'node:fs';

import { expect, KEY, test } from './fixtures';

test('an answer appears in the charts, on hover, in the table, by endpoint, and in an export', async ({ app, page }) => {
  const refused: string[] = [];
  page.on('console', (message) => void (/security policy/i.test(message.text()) && refused.push(message.text())));
  await app.open(page, { language: 'en' });
  await page.getByTestId('question').fill('something risky');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'done');
  await page.keyboard.press('Control+Shift+M');
  await expect(page.getByTestId('charts')).toBeVisible();
  const row = page.getByTestId('endpoint').filter({ hasText: 'POST /api/v1/generate-code-streaming' });
  await expect(row.getByRole('cell').first()).toHaveText('1');
  await page.getByTestId('range-5').click();
  const cpu = page.getByTestId('measure-cpu');
  await expect(cpu.locator('canvas')).toBeVisible();
  await expect(cpu.getByRole('img')).toHaveAttribute('aria-label', /^CPU usage\. Now: \d+%\. Last 5 min: minimum/);
  const plot = cpu.locator('.u-over');
  const { width } = (await plot.boundingBox()) ?? { width: 0 };
  await plot.hover({ position: { x: width - 2, y: 20 } });
  await expect(page.getByTestId('pointed')).toContainText('At ');
  await page.getByTestId('form-table').click();
  await expect(page.getByTestId('figures').getByRole('row').nth(2)).toContainText('%');
  const download = page.waitForEvent('download');
  await page.getByTestId('export-csv').click();
  const text = readFileSync(await (await download).path(), 'utf8');
  expect(text.split('\n')[0]).toContain('tokens_per_second');
  await expect(page.getByTestId('exported')).toHaveText('Saved');
  expect(refused).toEqual([]);
});

test('the charts follow the theme', async ({ app, page }) => {
  await app.open(page, { language: 'en', theme: 'light' });
  await page.keyboard.press('Control+Shift+M');
  const canvas = page.getByTestId('measure-memory').locator('canvas');
  await expect(canvas).toBeVisible();
  const inks = () =>
    canvas.evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: new Uint8ClampedArray() };
      let sum = 0;
      let count = 0;
      for (let pixel = 0; pixel < data.length; pixel += 4) {
        if ((data[pixel + 3] ?? 0) < 200) continue;
        sum += ((data[pixel] ?? 0) + (data[pixel + 1] ?? 0) + (data[pixel + 2] ?? 0)) / 3;
        count += 1;
      }
      return sum / count;
    });
  await expect.poll(inks).toBeGreaterThan(0);
  const light = await inks();
  await page.getByTestId('theme-switch').selectOption('dark');
  await expect.poll(async () => Math.abs((await inks()) - light)).toBeGreaterThan(20);
});

for (const width of [640, 800, 1280]) {
  test(`requests by endpoint are seen whole where the window is ${width} wide, and sorted there too`, async ({ app, page, request }) => {
    for (const path of ['code/enhanced-stream-generate', 'generate-code-streaming']) await request.post(`${app.api}/api/v1/${path}`, { headers: { 'X-API-Key': KEY } });
    await page.setViewportSize({ width, height: 600 });
    await app.open(page, { language: 'ko' });
    await page.keyboard.press('Control+Shift+M');
    const rows = page.getByTestId('endpoint');
    await expect(rows.first()).toBeVisible();
    const { x: left, width: room } = (await page.getByRole('main').boundingBox()) ?? { x: 0, width: 0 };
    for (const cell of await page.getByTestId('endpoints').locator('th, td').all()) {
      const { x, width } = (await cell.boundingBox()) ?? { x: 0, width: 0 };
      expect(x).toBeGreaterThanOrEqual(left);
      expect(x + width).toBeLessThanOrEqual(left + room);
      expect(await cell.evaluate((cell) => cell.scrollWidth <= cell.clientWidth)).toBe(true);
    }
    await page.getByTestId('sort-endpoint').click();
    await expect(page.getByRole('columnheader').first()).toHaveAttribute('aria-sort', 'ascending');
    await expect(rows.first().getByRole('rowheader')).toHaveText('POST /api/v1/code/enhanced-stream-generate');
    await expect(rows.first().getByRole('cell')).toHaveCount(4);
  });
}
