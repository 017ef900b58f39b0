import { afterEach, expect, test, vi } from 'vitest';

import { historyItem } from '../testing/api';
import { house } from '../testing/house';

afterEach(() => void vi.useRealTimers());

const fake = () => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });

test('what is written is counted once it rests, with its files and the conversation', async () => {
  const { api, app } = await house();
  api.threads['c'] = [historyItem('m1')];
  await app.conversations.open('c');
  fake();
  await vi.advanceTimersByTimeAsync(1000);
  expect(api.counted, 'nothing is written').toEqual([]);
  app.draft.attach([{ path: 'a.py', content: 'x = 1' }]);
  for (const text of ['고', '고쳐', '고쳐 줘']) app.draft.text = text;
  await vi.advanceTimersByTimeAsync(1000);
  expect(api.counted).toHaveLength(1);
  expect(api.counted[0]).toMatchObject({ user_question: '고쳐 줘', conversation_id: 'c', files: [{ path: 'a.py', content: 'x = 1' }] });
  expect(app.gauge.count).toMatchObject({ prompt_tokens: 100, fits: true });
  expect(app.gauge.tokensOf(0)).toBe(5);
  app.draft.take();
  await vi.advanceTimersByTimeAsync(1000);
  expect(app.gauge.count, 'and what went out is counted no more').toBeUndefined();
});

test('files that have no room are those after the ones that have', async () => {
  const { api, app } = await house();
  fake();
  api.count = { prompt_tokens: 4500, limit: 4096, fits: false, files: [{ path: 'a', tokens: 3000 }, { path: 'b', tokens: 1400 }] };
  app.draft.text = '고쳐 줘';
  await vi.advanceTimersByTimeAsync(1000);
  expect([app.gauge.isOver(0), app.gauge.isOver(1)]).toEqual([false, true]);
  expect(app.gauge.share).toBeCloseTo(1.1, 1);
});

test('where nobody can count, nothing is told', async () => {
  const { api, app } = await house();
  fake();
  app.draft.text = '질문';
  await vi.advanceTimersByTimeAsync(1000);
  expect(app.gauge.count).toBeDefined();
  api.count = undefined;
  app.draft.text = '질문이';
  await vi.advanceTimersByTimeAsync(1000);
  expect(app.gauge.count).toBeUndefined();
});
