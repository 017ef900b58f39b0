// Benchmark of a conversation with 10,000 messages: `HAPA_BENCH=1 npx playwright test bench`. It prints figures and never fails.
import type { Page } from '@playwright/test';

import { importConversation } from '../importHistory';
import { expect, test } from '../fixtures';

const COUNT = 10_000;
const ID = 'long';
const TITLE = 'Long';
const CODE = Array.from({ length: 12 }, (_, line) => `    value_${line} = transform(items[${line}], key="name", reverse=True)`).join('\n');
const WORDS = '순서를 지키며 중복을 제거합니다. `dict.fromkeys`는 처음 나온 것을 남깁니다. ';

test.skip(!process.env['HAPA_BENCH'], 'no figures are wanted');
test.setTimeout(300_000);
/** Answers every question inside the page with 120 pieces a second: the scripted model's context is too small for such a prompt. */
async function answer(page: Page): Promise<void> {
  await page.addInitScript((id) => {
    const { fetch } = window;
    let asked = 0;
    window.fetch = (input, init) => {
      const request = new Request(input, init);
      if (!request.url.endsWith('/generate-code-streaming')) return fetch(request);
      const metadata = { message_id: `asked${(asked += 1)}`, conversation_id: id, model_used: 'scripted', backend: 'local' };
      const pieces = Array.from({ length: 900 }, (_, index): [string, string, object | null] => {
        if (index < 300) return ['explanation', '중복을 ', null];
        if (index < 600) return ['code', `value_${index} = transform(items[${index}], key="name")\n`, index === 300 ? { block: 0, language: 'python' } : null];
        return ['explanation', '제거합니다. ', null];
      });
      const frames = [['start', '', metadata] as const, ...pieces, ['done', '', { ...metadata, finish_reason: 'stop' }] as const];
      let sequence = 0;
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          const [type, content, metadata] = frames[sequence] ?? [];
          await new Promise((resolve) => setTimeout(resolve, 8));
          controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify({ type, content, sequence: sequence++, timestamp: '', metadata })}\n\n`));
          if (type === 'done') controller.close();
        },
      });
      return Promise.resolve(new Response(body, { headers: { 'Content-Type': 'text/event-stream' } }));
    };
  }, ID);
}

/** Milliseconds from a click until `message` is painted in the window. */
async function until(page: Page, press: string, message: string): Promise<number> {
  return page.evaluate(
    async ([press, message]) => {
      const began = performance.now();
      document.querySelector<HTMLElement>(press)?.click();
      for (;;) {
        await new Promise(requestAnimationFrame);
        const box = document.querySelector(`[data-message="${message}"]`)?.getBoundingClientRect();
        const list = document.querySelector('[role="log"]')?.parentElement?.getBoundingClientRect();
        if (box && list && box.height > 0 && box.bottom > list.top && box.top < list.bottom) break;
        if (performance.now() - began > 60_000) return Number.NaN;
      }
      await new Promise(requestAnimationFrame);
      return performance.now() - began;
    },
    [press, message] as const,
  );
}

/** Starts recording the duration of each frame. */
async function watch(page: Page): Promise<void> {
  await page.evaluate(() => {
    const frames: number[] = [];
    let last = performance.now();
    const note = (now: number) => {
      frames.push(now - last);
      last = now;
      if (!(window as { ended?: boolean }).ended) requestAnimationFrame(note);
    };
    Object.assign(window, { frames, ended: false });
    requestAnimationFrame(note);
  });
}

/** Stops recording and summarizes the frame times. */
async function seen(page: Page): Promise<string> {
  const frames = await page.evaluate(() => {
    Object.assign(window, { ended: true });
    return (window as unknown as { frames: number[] }).frames.slice(1);
  });
  const sorted = frames.toSorted((a, b) => a - b);
  const share = (part: number) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(1);
  return `${sorted.length} frames, median ${share(0.5)} ms, 95 of 100 within ${share(0.95)} ms, 99 within ${share(0.99)} ms, longest ${share(1)} ms`;
}

function say(name: string, figure: string): void {
  process.stdout.write(`${name}: ${figure}\n`);
}

test('a conversation of 10,000 messages', async ({ app, page, request }) => {
  await importConversation(app, request, TITLE, COUNT, (index) => ({
    question: index === 42 ? '바늘을 찾아 줘' : `${index}번째 질문: 리스트에서 중복을 제거해 줘`,
    response: `${WORDS.repeat(1 + (index % 5))}\n\n\`\`\`python\ndef unique_${index}(items):\n${CODE}\n\`\`\`\n\n${WORDS}`,
  }));
  await answer(page);
  await app.open(page, { language: 'ko' });
  await expect(page.getByTestId('conversation')).toHaveCount(1);

  for (const time of ['opening', 'opening again']) {
    const took = await until(page, '[data-row]', `m${COUNT - 1}`);
    say(time, `${took.toFixed(0)} ms`);
    await page.getByTestId('new-chat').first().click();
  }
  await page.getByTestId('conversation').locator('[data-row]').click();
  await expect(page.locator(`[data-message="m${COUNT - 1}"]`)).toBeVisible();

  await watch(page);
  await page.getByTestId('question').fill('길게 답해 줘');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('answer').last()).toHaveAttribute('data-state', 'done', { timeout: 120_000 });
  say('streaming at the end', await seen(page));

  await watch(page);
  await page.mouse.move(700, 300);
  for (let step = 0; step < 150; step += 1) {
    await page.mouse.wheel(0, -600);
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  say('scrolling up', await seen(page));

  await watch(page);
  await page.getByTestId('question').fill('길게 답해 줘');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('stop')).toBeVisible();
  for (let step = 0; step < 60; step += 1) {
    await page.mouse.wheel(0, step < 30 ? -500 : 500);
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  say('scrolling while an answer is written', await seen(page));
  await expect(page.getByTestId('stop')).toHaveCount(0, { timeout: 120_000 });

  await page.getByTestId('open-history').click();
  await page.getByTestId('history-search').fill('바늘');
  await expect(page.getByTestId('history-item')).toHaveCount(1);
  say('opening far up', `${(await until(page, '[data-id="m42"]', 'm42')).toFixed(0)} ms`);
  say('elements', String(await page.evaluate(() => document.querySelectorAll('*').length)));
});
