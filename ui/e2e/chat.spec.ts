// Chat tests: presets, attachments, the token gauge, versions, export, and long conversations.
import { readFile } from 'node:fs/promises';

import type { Page } from '@playwright/test';

import { importConversation } from './importHistory';
import { expect, KEY, test } from './fixtures';

const CODE = 'def unique(items):\n    return list(set(items))\n';

/** Drops files on the window, as from a file manager. */
async function drop(page: Page, files: Record<string, string | number[]>): Promise<void> {
  const data = await page.evaluateHandle((files) => {
    const data = new DataTransfer();
    for (const [name, content] of Object.entries(files)) {
      data.items.add(new File([typeof content === 'string' ? content : new Uint8Array(content)], name));
    }
    return data;
  }, files);
  await page.dispatchEvent('body', 'dragenter', { dataTransfer: data });
  await expect(page.getByTestId('drop-zone')).toBeVisible();
  await page.dispatchEvent('body', 'drop', { dataTransfer: data });
  await expect(page.getByTestId('drop-zone')).toHaveCount(0);
}

async function waitForAnswer(page: Page): Promise<void> {
  await expect(page.getByTestId('answer').last()).toHaveAttribute('data-state', 'done');
}

test('a slash command selects a preset by keyboard alone, and the question keeps it', async ({ app, page }) => {
  await app.open(page, { language: 'en' });
  await page.keyboard.type('/');
  await expect(page.getByTestId('preset-option')).toHaveCount(7);
  await page.keyboard.type('f');
  await expect(page.getByTestId('preset-option')).toHaveCount(1);
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('preset')).toHaveValue('bug_fix');
  await expect(page.getByTestId('question')).toHaveValue('');
  await page.keyboard.type('this loop');
  await expect(page.getByTestId('lacks-code')).toBeVisible();
  await page.reload();
  await expect(page.getByTestId('preset')).toHaveValue('bug_fix');
  await page.keyboard.press('Enter');
  await waitForAnswer(page);
  await expect(page.getByTestId('asked-preset')).toHaveText('Fix');
  await expect(page.getByTestId('preset')).toHaveValue('code_generation');

  await page.keyboard.type('/수정 다시');
  await expect(page.getByTestId('question')).toHaveValue('다시');
  await expect(page.getByTestId('preset')).toHaveValue('bug_fix');
  await expect(page.getByTestId('lacks-code')).toHaveCount(0);
  await page.getByTestId('regenerate').click();
  await waitForAnswer(page);
  await expect(page.getByTestId('asked-preset')).toHaveText('Fix');
});

test('files are dropped, rejected if binary, restored after a restart, and sent with the question', async ({ app, page }) => {
  await app.open(page, { language: 'en' });
  await drop(page, { 'unique.py': CODE, 'picture.png': [0x89, 0x50, 0x4e, 0x47, 0, 1], 'large.log': 'x'.repeat(100_001) });
  await expect(page.getByTestId('file-chip')).toHaveCount(1);
  await expect(page.getByTestId('refused-files')).toContainText('picture.png');
  await expect(page.getByTestId('refused-files')).toContainText('100,000 characters');
  await page.getByTestId('file-input').setInputFiles([
    { name: 'other.py', mimeType: 'text/x-python', buffer: Buffer.from('x = 1\n') },
    { name: 'euc-kr.txt', mimeType: 'text/plain', buffer: Buffer.from([0xb0, 0xa1, 0xb3, 0xaa]) },
  ]);
  await expect(page.getByTestId('file-chip')).toHaveCount(3);
  await expect(page.getByTestId('refused-files')).toHaveCount(0);
  await page.evaluate(() => {
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File(['y = 2'], 'pasted.py'));
    document.querySelector('[data-testid="question"]')?.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
  });
  await expect(page.getByTestId('file-chip')).toHaveCount(4);
  await page.getByRole('button', { name: 'Remove “pasted.py”' }).click();
  await page.reload();
  await expect(page.getByTestId('file-chip')).toHaveCount(3);
  await page.getByRole('button', { name: 'Remove “other.py”' }).click();
  await expect(page.getByTestId('question')).toBeFocused();
  await page.keyboard.type('what is wrong?');
  await page.keyboard.press('Enter');
  await waitForAnswer(page);
  await expect(page.getByTestId('draft-files')).toHaveCount(0);
  const files = page.getByTestId('question-files');
  await expect(files.getByTestId('file-chip')).toHaveText(['unique.py', 'euc-kr.txt']);
  await files.getByText('unique.py').click();
  await expect(page.getByTestId('file-content')).toContainText('return list(set(items))');
  await files.getByText('euc-kr.txt').click();
  await expect(page.getByTestId('file-content')).toContainText('가나');
});

test('the gauge shows how much of the context is used, and which files do not fit', async ({ app, page }) => {
  await app.open(page, { language: 'en' });
  await expect(page.getByTestId('token-gauge')).toHaveCount(0);
  await page.keyboard.type('What is wrong here?');
  await expect(page.getByTestId('token-gauge')).toContainText('/ 4,096 tokens');
  await drop(page, { 'small.py': CODE, 'large.txt': 'word '.repeat(5000) });
  await expect(page.getByTestId('no-room')).toBeVisible();
  await expect(page.getByTestId('token-gauge')).toHaveAttribute('data-tone', 'fail');
  await expect(page.getByTestId('file-chip').filter({ hasText: 'large.txt' })).toHaveAttribute('data-over', 'true');
  await expect(page.getByTestId('file-chip').filter({ hasText: 'small.py' })).toHaveAttribute('data-over', 'false');
  await page.getByRole('button', { name: 'Remove “large.txt”' }).click();
  await expect(page.getByTestId('no-room')).toHaveCount(0);
  await expect(page.getByTestId('token-gauge')).toHaveAttribute('data-tone', 'calm');
});

test('a long text that is pasted can become a file', async ({ app, page }) => {
  await app.open(page, { language: 'en' });
  const text = `${CODE}${'print(unique([1, 1]))\n'.repeat(60)}`;
  await page.getByTestId('question').fill('Explain this: ');
  await page.getByTestId('question').press('End');
  await page.evaluate((text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData('text/plain', text);
    const field = document.querySelector<HTMLTextAreaElement>('[data-testid="question"]');
    field?.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
    document.execCommand('insertText', false, text);
  }, text);
  await expect(page.getByTestId('paste-offer')).toBeVisible();
  await page.getByTestId('paste-attach').click();
  await expect(page.getByTestId('file-chip')).toHaveText(['unique.py']);
  await expect(page.getByTestId('question')).toHaveValue('Explain this:');
  await expect(page.getByTestId('question')).toBeFocused();
});

test('a deletion can be undone for a while, also by keyboard', async ({ app, page }) => {
  await app.open(page, { language: 'en' });
  await page.keyboard.type('first question');
  await page.keyboard.press('Enter');
  await waitForAnswer(page);
  const row = page.getByTestId('conversation').filter({ hasText: 'first question' });
  await row.hover();
  await row.getByTestId('delete-conversation').click();
  await expect(row).toHaveCount(0);
  await expect(page.getByTestId('answer')).toHaveCount(0);
  await expect(page.getByTestId('new-chat').first()).toBeFocused();
  await page.getByTestId('undo').focus();
  await page.keyboard.press('Enter');
  await expect(row).toHaveCount(1);
  await expect(page.getByTestId('answer')).toBeVisible();
  await expect(page.getByTestId('undo-notice')).toHaveCount(0);
});

test('several deleted conversations are taken back one by one or all, also where the window goes away meanwhile', async ({ app, page, request }) => {
  for (const [index, title] of ['One', 'Two', 'Three'].entries()) {
    await importConversation(app, request, title, 1, () => ({ id: `${title}-${index}`, question: `about ${title}`, response: 'yes' }));
  }
  await app.open(page, { language: 'en' });
  const row = (title: string) => page.getByTestId('conversation').filter({ hasText: title });
  for (const title of ['One', 'Two', 'Three']) {
    await row(title).hover();
    await row(title).getByTestId('delete-conversation').click();
    await expect(row(title)).toHaveCount(0);
  }
  const notice = page.getByTestId('undo-notice');
  await expect(notice).toContainText('3 deleted');
  await expect(page.getByRole('status').filter({ hasText: '3 conversations deleted' })).toBeAttached();
  await page.getByTestId('undo').click();
  await expect(row('Three')).toHaveCount(1);
  await expect(notice).toContainText('2 deleted');
  await page.getByTestId('undo-all').press('Enter');
  await expect(page.getByTestId('conversation')).toHaveCount(3);
  await expect(notice).toHaveCount(0);

  await row('One').hover();
  await row('One').getByTestId('delete-conversation').click();
  await row('Two').hover();
  await row('Two').getByTestId('delete-conversation').click();
  await expect(notice).toContainText('2 deleted');
  const gone = page.waitForRequest((request) => request.method() === 'DELETE');
  await page.reload();
  await gone;
  await expect(row('Three')).toHaveCount(1);
  await expect(page.getByTestId('conversation')).toHaveCount(1);
  const kept = async () => (await request.get(`${app.api}/api/v1/conversations`, { headers: { 'X-API-Key': KEY } })).json();
  await expect.poll(kept).toMatchObject({ total_count: 1 });
});

test('code and what is selected is asked about, and code is saved under a name that tells what it is', async ({ app, page }) => {
  await app.open(page, { language: 'en' });
  await page.keyboard.type('remove duplicates');
  await page.keyboard.press('Enter');
  await waitForAnswer(page);
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByTestId('save-code').click()]);
  expect(file.suggestedFilename()).toBe('unique.py');
  expect(await readFile(await file.path(), 'utf8')).toBe('def unique(items):\n    return list(dict.fromkeys(items))');
  await page.getByTestId('ask-about-code').click();
  await expect(page.getByTestId('draft-files').getByTestId('file-chip')).toContainText('unique.py');
  await expect(page.getByTestId('question')).toBeFocused();

  const line = page.getByTestId('code-block').locator('.line').nth(1);
  const box = await line.boundingBox();
  if (!box) throw new Error('the line is on the screen');
  await page.mouse.move(box.x + 1, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + 300, box.y + box.height / 2, { steps: 4 });
  await page.mouse.up();
  await page.getByTestId('ask-about-selection').click();
  await expect(page.getByTestId('draft-files').getByTestId('file-chip')).toHaveCount(2);
  await expect(page.getByTestId('draft-files')).toContainText('selection.py');
  await page.keyboard.type('what is this?');
  await page.keyboard.press('Enter');
  await waitForAnswer(page);
  await page.getByTestId('question-files').getByText('selection.py').click();
  await expect(page.getByTestId('file-content')).toContainText('return list(dict');
});

test('a conversation is saved as Markdown and as JSON, all of it, and the JSON can be taken in again', async ({ app, page, request }) => {
  await importConversation(app, request, 'Long', 1200, (index) => ({ question: `question ${index}`, response: `answer ${index}` }));
  await app.open(page, { language: 'en' });
  await page.getByTitle('Long', { exact: true }).click();
  await expect(page.getByTestId('answer').last()).toBeVisible();
  await page.getByTestId('chat-menu').press('Enter');
  await expect(page.getByRole('menuitem').first()).toBeFocused();
  const [markdown] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
  expect(markdown.suggestedFilename()).toBe('Long.md');
  const text = await readFile(await markdown.path(), 'utf8');
  for (const index of [0, 599, 1199]) expect(text).toContain(`> question ${index}\n\nanswer ${index}\n`);

  const row = page.getByTestId('conversation');
  await row.hover();
  await row.getByTestId('conversation-menu').click();
  const [json] = await Promise.all([page.waitForEvent('download'), row.getByTestId('export-json').click()]);
  const data: unknown = JSON.parse(await readFile(await json.path(), 'utf8'));
  const headers = { 'X-API-Key': KEY };
  await request.delete(`${app.api}/api/v1/conversations/long`, { headers });
  const taken = await request.post(`${app.api}/api/v1/user/history/import`, { headers, data });
  expect(await taken.json()).toMatchObject({ imported: 1200, invalid: 0 });
});

test('a JSON export has all versions of a conversation, and imports to the same conversation', async ({ app, page, request }) => {
  const headers = { 'X-API-Key': KEY };
  await importConversation(app, request, 'Another', 1, () => ({ id: 'other', question: 'elsewhere', response: 'yes' }));
  await importConversation(app, request, 'Branched', 4, (index) => ({
    question: ['one', 'two', 'three', 'another two'][index] ?? '',
    response: 'yes',
    parent: [null, 'm0', 'm1', 'm0'][index],
    replaced: index === 1 || index === 2,
  }));
  await app.open(page, { language: 'en' });
  await page.getByTitle('Branched', { exact: true }).click();
  const asked = page.getByTestId('asked-question');
  await expect(asked).toHaveCount(2);
  await page.getByTestId('chat-menu').click();
  const [json] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: 'Export as JSON' }).click()]);
  const data = JSON.parse(await readFile(await json.path(), 'utf8')) as { messages: { id: string; parent: string | null; replaced: boolean }[] };
  expect(data.messages.map(({ id, parent, replaced }) => [id, parent, replaced])).toEqual([
    ['m0', null, false],
    ['m1', 'm0', true],
    ['m2', 'm1', true],
    ['m3', 'm0', false],
  ]);
  await request.delete(`${app.api}/api/v1/conversations/branched`, { headers });
  const taken = await request.post(`${app.api}/api/v1/user/history/import`, { headers, data });
  expect(await taken.json()).toMatchObject({ imported: 4, invalid: 0 });
  await page.reload();
  await page.getByTitle('Branched', { exact: true }).click();
  await expect(page.getByTestId('versions')).toContainText('2/2');
  await page.getByTestId('version-before').click();
  await expect(asked).toHaveText([/one/, /two/, /three/]);
});

test('versions of a question are turned over by keyboard, each with what followed it, and last', async ({ app, page }) => {
  await app.open(page, { language: 'en' });
  for (const question of ['one', 'two', 'three']) {
    await page.keyboard.type(question);
    await page.keyboard.press('Enter');
    await expect(page.getByTestId('asked-question').last()).toContainText(question);
    await waitForAnswer(page);
  }
  const asked = page.getByTestId('asked-question');
  await asked.nth(1).getByTestId('edit-question').click();
  await expect(page.getByText('kept as another version')).toBeVisible();
  await page.getByTestId('edited-question').fill('another two');
  await page.keyboard.press('Enter');
  await expect(asked).toHaveCount(2);
  await waitForAnswer(page);
  await expect(page.getByTestId('versions')).toContainText('2/2');
  await page.getByTestId('version-before').press('ArrowLeft');
  await expect(asked).toHaveCount(3);
  await expect(asked.nth(1)).toContainText('two');
  await expect(page.getByTestId('version-after')).toBeFocused();
  await page.reload();
  await page.getByTestId('conversation').locator('[data-row]').click();
  await expect(asked).toHaveCount(3);
  await page.getByTestId('version-after').press('Enter');
  await expect(asked).toHaveCount(2);
  await expect(asked.nth(1)).toContainText('another two');
});

test('an early question stays in view while it is edited, also at the end of the thread', async ({ app, page, request }) => {
  await importConversation(app, request, 'Short', 40, (index) => ({ question: `question ${index}`, response: `answer ${index}` }));
  await app.open(page, { language: 'en' });
  await page.getByTitle('Short', { exact: true }).click();
  await expect(page.locator('[data-message="m39"]')).toBeInViewport();

  // The first visible question: content that grows below must not push it out of view.
  const { y: top } = (await page.getByRole('log').locator('..').boundingBox()) ?? { y: 0 };
  const asked = page.getByTestId('asked-question');
  // The list replaces estimated heights by measured ones after it was opened: wait until nothing moves any more.
  let tops: number[] = [];
  await expect.poll(async () => {
    const before = tops;
    tops = await Promise.all((await asked.all()).map(async (question) => (await question.boundingBox())?.y ?? 0));
    return tops.length > 0 && String(tops) === String(before);
  }).toBe(true);
  const index = tops.findIndex((y) => y >= top);
  await asked.nth(index).getByTestId('edit-question').click();
  const field = page.getByTestId('edited-question');
  await expect(field).toBeFocused();
  const place = async () => (await page.locator('form', { has: field }).boundingBox())?.y ?? 0;
  await expect.poll(place).toBeCloseTo(tops[index] ?? 0, -1);
  for (let line = 0; line < 8; line += 1) {
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type(`line ${line}`);
  }
  await expect(field).toHaveValue(/line 7$/);
  await expect(field).toBeFocused();
  expect(await place()).toBeCloseTo(tops[index] ?? 0, -1);
  await expect(page.getByRole('button', { name: 'Jump to end' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('button', { name: 'Jump to end' })).toHaveCount(0);

  // In the smallest window too, together with the send button.
  await page.setViewportSize({ width: 640, height: 480 });
  await expect(page.locator('[data-message="m39"]')).toBeInViewport();
  await page.locator('[data-message="m39"]').getByTestId('edit-question').press('Enter');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('more');
  await expect(field).toBeInViewport({ ratio: 1 });
  await expect(page.getByTestId('send-edited')).toBeInViewport({ ratio: 1 });
  await expect(field).toHaveValue('question 39\n\nmore');
});

test.describe('an answer that ends before its end', () => {
  test.use({
    script: {
      answers: [
        { when: 'long', pieces: ['One. ', 'Two. '], end: 'length' },
        { when: 'endless', pieces: ['Begun. '], end: 'hang' },
        { pieces: ['Whole.'] },
      ],
    },
  });

  test('is continued in place', async ({ app, page }) => {
    await app.open(page, { language: 'en' });
    await page.keyboard.type('a long answer');
    await page.keyboard.press('Enter');
    await waitForAnswer(page);
    await page.getByTestId('go-on').click();
    await expect(page.getByTestId('answer')).toContainText('One. Two. Whole.');
    await expect(page.getByTestId('go-on')).toHaveCount(0);
    await expect(page.getByTestId('answer')).toHaveCount(1);
    await page.reload();
    await page.getByTestId('conversation').locator('[data-row]').click();
    await expect(page.getByTestId('answer')).toContainText('One. Two. Whole.');

    await page.getByTestId('new-chat').first().click();
    await page.keyboard.type('an endless answer');
    await page.keyboard.press('Enter');
    await expect(page.getByTestId('answer')).toContainText('Begun.');
    await page.keyboard.press('Escape');
    await page.getByTestId('go-on').click();
    await expect(page.getByTestId('answer')).toContainText('Begun. Whole.');
  });

  test('survives a crash of the sidecar as far as it was stored, and so does the draft', async ({ app, page, request }) => {
    await app.open(page, { language: 'en' });
    await page.keyboard.type('an endless answer');
    await page.keyboard.press('Enter');
    await expect(page.getByTestId('answer')).toContainText('Begun.');
    await page.keyboard.type('what comes next');
    await drop(page, { 'unique.py': CODE });
    await expect(page.getByTestId('file-chip')).toHaveCount(1);
    // The sidecar writes a partial answer to the database every second.
    const kept = async () => (await request.get(`${app.api}/api/v1/user/history`, { headers: { 'X-API-Key': KEY } })).text();
    await expect.poll(kept).toContain('Begun.');
    await app.crash();
    await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'interrupted');
    await expect(page.getByTestId('answer')).toContainText('Begun.');

    await app.restart();
    await page.goto('about:blank');
    await app.open(page);
    await expect(page.getByTestId('question')).toHaveValue('what comes next');
    await expect(page.getByTestId('draft-files')).toContainText('unique.py');
    await page.getByTestId('conversation').locator('[data-row]').click();
    await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'interrupted');
    await expect(page.getByTestId('answer')).toContainText('Begun.');
    await page.getByTestId('go-on').click();
    await expect(page.getByTestId('answer')).toContainText('Begun. Whole.');
    await waitForAnswer(page);
  });
});

test('a long conversation opens at its end, keeps its position when earlier messages load, and opens at an early message', async ({ app, page, request }) => {
  await importConversation(app, request, 'Long', 300, (index) => ({
    question: index === 7 ? 'find the needle' : `question ${index}`,
    response: `${'Some words. '.repeat(1 + (index % 40))}\n\n\`\`\`python\n${CODE}\`\`\``,
  }));
  await app.open(page, { language: 'en' });
  await page.getByTitle('Long', { exact: true }).click();
  const message = (index: number) => page.locator(`[data-message="m${index}"]`);
  await expect(message(299)).toBeInViewport();
  expect(await page.getByTestId('answer').count()).toBeLessThan(12);

  // Visible messages keep their position while earlier ones are loaded above.
  const held = new Promise<void>((resolve) => {
    void page.route('**/conversations/*before=*', async (route) => {
      await page.getByTestId('release').waitFor({ state: 'attached' });
      await route.continue();
      resolve();
    });
  });
  await page.getByRole('log').hover();
  await page.mouse.wheel(0, -1_000_000);
  await expect(message(288)).toBeInViewport();
  const top = async () => (await message(288).boundingBox())?.y ?? Number.NaN;
  const before = await top();
  await page.evaluate(() => document.body.insertAdjacentHTML('beforeend', '<i data-testid="release"></i>'));
  await held;
  await expect(message(287)).toBeAttached();
  await expect.poll(top).toBeCloseTo(before, -1);
  await page.unrouteAll();

  // By keyboard alone: page by page, or from button to button.
  await page.getByRole('button', { name: 'Jump to end' }).click();
  await expect(message(299)).toBeInViewport();
  await page.getByTestId('question').focus();
  await page.keyboard.press('PageUp');
  await page.keyboard.press('PageUp');
  await expect(message(299)).not.toBeInViewport();
  await page.keyboard.press('PageDown');
  await page.keyboard.press('PageDown');
  await expect(message(299)).toBeInViewport();
  for (let step = 0; step < 60; step += 1) await page.keyboard.press('Shift+Tab');
  await expect(message(299)).not.toBeInViewport();
  await expect(page.locator(':focus')).toBeInViewport();

  await page.keyboard.press('Control+h');
  await page.keyboard.type('needle');
  await expect(page.getByTestId('history-item')).toHaveCount(1);
  await page.getByTestId('history-item').click();
  await expect(message(7)).toBeInViewport();
  await expect(message(7)).toHaveClass(/highlighted/);
  await page.getByRole('button', { name: 'Jump to end' }).click();
  await expect(message(299)).toBeInViewport();
});
