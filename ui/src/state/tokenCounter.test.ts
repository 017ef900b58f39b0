import { afterEach, expect, test, vi } from 'vitest';

import { historyItem } from '../testing/items';
import { testApp } from '../testing/testApp';

afterEach(() => void vi.useRealTimers());

const fake = () => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });

test('what is written is counted once it rests, with its files and the conversation', async () => {
  const { api, app } = await testApp();
  api.threads['c'] = [historyItem('m1')];
  await app.conversations.open('c');
  fake();
  await vi.advanceTimersByTimeAsync(1000);
  expect(api.countRequests, 'nothing is written').toEqual([]);
  app.draft.attach([{ path: 'a.py', content: 'x = 1' }]);
  for (const text of ['고', '고쳐', '고쳐 줘']) app.draft.text = text;
  await vi.advanceTimersByTimeAsync(1000);
  expect(api.countRequests).toHaveLength(1);
  expect(api.countRequests[0]).toMatchObject({ user_question: '고쳐 줘', conversation_id: 'c', files: [{ path: 'a.py', content: 'x = 1' }] });
  expect(app.tokenCounter.count).toMatchObject({ prompt_tokens: 100, fits: true });
  expect(app.tokenCounter.tokensOf(0)).toBe(5);
  app.draft.submit();
  await vi.advanceTimersByTimeAsync(1000);
  expect(app.tokenCounter.count, 'and what went out is counted no more').toBeUndefined();
});

test('files exceed the limit after those that fit', async () => {
  const { api, app } = await testApp();
  fake();
  api.count = { prompt_tokens: 4500, limit: 4096, fits: false, files: [{ path: 'a', tokens: 3000 }, { path: 'b', tokens: 1400 }] };
  app.draft.text = '고쳐 줘';
  await vi.advanceTimersByTimeAsync(1000);
  expect([app.tokenCounter.exceedsLimit(0), app.tokenCounter.exceedsLimit(1)]).toEqual([false, true]);
  expect(app.tokenCounter.ratio).toBeCloseTo(1.1, 1);
});

test('without a model that counts, no figure is shown', async () => {
  const { api, app } = await testApp();
  fake();
  app.draft.text = '질문';
  await vi.advanceTimersByTimeAsync(1000);
  expect(app.tokenCounter.count).toBeDefined();
  api.count = undefined;
  app.draft.text = '질문이';
  await vi.advanceTimersByTimeAsync(1000);
  expect(app.tokenCounter.count).toBeUndefined();
});
