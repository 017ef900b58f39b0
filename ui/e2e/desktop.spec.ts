// Tests of the quick window, and of the window on a desktop that is simulated in the browser.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';

import { expect, test } from './fixtures';

const LOOKS = (['ko', 'en'] as const).flatMap((language) => (['light', 'dark'] as const).map((theme) => ({ language, theme })));

async function violationsOf(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
}

async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env['HAPA_SCREENSHOTS'];
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' });
}

/** Simulates a desktop without a tray, on which another program has taken the shortcut. */
async function fakeDesktop(page: Page, api: string, fragment: string, look: (typeof LOOKS)[number]): Promise<void> {
  await page.addInitScript(
    ({ base_url, key, language, theme }) => {
      const answers: Record<string, unknown> = {
        stored_items: { 'hapa.language': language, 'hapa.theme': theme },
        sidecar_status: { state: 'ready', base_url, key, version: '0.4.0', restarts: 0 },
        abilities: { tray: false, shortcut: 'taken' },
        preferences: { background: false, notifications: true, shortcut: 'Ctrl+Shift+Space', updates: 'stable' },
        update_status: {
          state: 'found',
          version: '1.0.0',
          notes: language === 'ko' ? '첫 답이 더 빨리 나옵니다.\n대화를 파일로 저장합니다.' : 'The first word comes sooner.\nConversations are saved as files.',
          installable: true,
        },
        starts_at_login: false,
      };
      Object.assign(window, {
        isTauri: true,
        __TAURI_INTERNALS__: {
          metadata: { currentWindow: { label: 'main' } },
          transformCallback: () => 1,
          invoke: (command: string) => Promise.resolve(answers[command] ?? null),
        },
      });
    },
    { base_url: api, key: new URLSearchParams(fragment.slice(1)).get('key') ?? '', ...look },
  );
}

for (const look of LOOKS) {
  const name = `${look.language}-${look.theme}`;

  test(`a quick question is asked, answered and copied, ${name}`, async ({ app, page, context }) => {
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.setViewportSize({ width: 680, height: 132 });
    await app.open(page, look, 'quick.html');
    await expect(page.getByTestId('quick-question')).toBeFocused();
    await screenshot(page, `quick-empty-${name}`);
    expect(await violationsOf(page)).toEqual([]);
    await page.setViewportSize({ width: 680, height: 520 });
    await page.keyboard.type('unique');
    await page.keyboard.press('Enter');
    await expect(page.getByTestId('quick-answer')).toHaveAttribute('data-state', 'done');
    await screenshot(page, `quick-answer-${name}`);
    expect(await violationsOf(page)).toEqual([]);
    await page.keyboard.press('Enter');
    await expect(page.getByTestId('quick-said')).not.toBeEmpty();
    await screenshot(page, `quick-copied-${name}`);
    expect(await violationsOf(page)).toEqual([]);
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('def unique(items):\n    return list(dict.fromkeys(items))');
    await page.keyboard.type(' more');
    await page.reload();
    await expect(page.getByTestId('quick-question')).toHaveValue('unique more');
  });

  test(`axe finds nothing on what is about the desktop, ${name}`, async ({ app, page }) => {
    await page.setViewportSize({ width: 800, height: 600 });
    await fakeDesktop(page, app.api, app.fragment, look);
    await app.open(page, look);
    await expect(page.getByTestId('lacks')).toBeVisible();
    await screenshot(page, `lacks-${name}`);
    expect(await violationsOf(page)).toEqual([]);
    await page.getByTestId('open-settings').click();
    await page.getByTestId('part-desktop').scrollIntoViewIfNeeded();
    await page.getByTestId('setting-keys').click();
    await screenshot(page, `desktop-${name}`);
    expect(await violationsOf(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByTestId('part-updates').scrollIntoViewIfNeeded();
    await expect(page.getByTestId('update-notes')).toBeVisible();
    await screenshot(page, `updates-${name}`);
    expect(await violationsOf(page)).toEqual([]);
  });
}

test('a page whose script fails to load shows an error with a reload button', async ({ app, page }) => {
  let broken = true;
  await page.route('**/assets/*.js', (route) => (broken ? route.abort() : route.continue()));
  await app.open(page);
  await expect(page.getByTestId('page-unopened')).toBeVisible();
  await screenshot(page, 'unopened');
  expect(await violationsOf(page)).toEqual([]);
  broken = false;
  await page.getByRole('button').click();
  await expect(page.getByTestId('question')).toBeVisible();
});

test('a page whose script throws before mounting shows an error', async ({ app, page }) => {
  await page.addInitScript(() => {
    Object.assign(window, { isTauri: true, __TAURI_INTERNALS__: { invoke: () => Promise.reject(new Error('no desktop')) } });
  });
  await app.open(page);
  await expect(page.getByTestId('page-unopened')).toContainText('no desktop');
});
