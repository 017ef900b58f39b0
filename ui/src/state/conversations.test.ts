import { afterEach, expect, test, vi } from 'vitest';

import { conversation, historyItem } from '../testing/items';
import { refusal } from '../testing/router';
import { FakeHost, testApp, ready } from '../testing/testApp';
import { App } from './app.svelte';
import { UNDO_MS } from './pendingDeletes.svelte';

afterEach(() => void vi.useRealTimers());

/** An app with two conversations, the first of which is open. */
async function withTwo() {
  const all = await testApp();
  all.api.items = [conversation('a'), conversation('b')];
  all.api.threads['a'] = [historyItem('m1', { conversation_id: 'a' })];
  await all.app.conversations.refresh();
  await all.app.conversations.open('a');
  return all;
}

const until = (test: () => boolean) => vi.waitFor(() => expect(test()).toBe(true));

test('earlier conversations are there when the sidecar is', async () => {
  const { api, host, app } = await testApp({ status: { state: 'starting' } });
  api.items = [conversation('b'), conversation('a')];
  expect(app.conversations.items).toBeUndefined();
  host.report(ready());
  await until(() => app.conversations.items?.length === 2);
});

test('an opened conversation shows how each of its answers ended', async () => {
  const { api, app } = await testApp();
  const ends = ['stop', 'length', 'cancelled', 'interrupted', 'failed', null];
  api.threads['c'] = ends.map((finish_reason, index) => historyItem(`m${index}`, { finish_reason }));
  await app.conversations.open('c');
  const { messages } = app.conversations.thread;
  expect(messages.map(({ answer }) => answer.state)).toEqual(['done', 'done', 'stopped', 'interrupted', 'failed', 'interrupted']);
  expect(messages.map(({ answer }) => answer.truncated)).toEqual([false, true, false, false, false, false]);
  expect(messages[0]?.answer).toMatchObject({ text: 'answer m0', model: 'scripted', backend: 'local', tokensPerSecond: 12, seconds: 1 });
});

test('a conversation that fails to load says so, and is loaded when the sidecar is back', async () => {
  const { api, host, app } = await testApp();
  await app.conversations.open('c');
  expect(app.conversations.thread).toMatchObject({ id: 'c', loadState: 'failed' });
  api.threads['c'] = [historyItem('m1')];
  host.report(ready(1));
  await until(() => app.conversations.thread.loadState === 'done');
  expect(app.conversations.thread.messages).toHaveLength(1);
});

test('an answer continues in the background', async () => {
  const { api, app } = await testApp();
  api.threads['old'] = [historyItem('m0')];
  const stream = api.stream().start({ conversation_id: 'c1' }).explanation('반');
  const asked = app.conversations.thread.ask('질문', 'python');
  await until(() => app.conversations.isRunning('c1'));
  await app.conversations.open('old');
  expect(app.conversations.thread.id).toBe('old');
  await app.conversations.open('c1');
  expect(app.conversations.thread.messages[0]?.answer.running).toBe(true);
  stream.explanation('쯤').done();
  await asked;
  expect(app.conversations.isRunning('c1')).toBe(false);
  expect(app.conversations.thread.messages[0]?.answer.text).toBe('반쯤');
});

test('a new conversation joins the list when it is accepted', async () => {
  const { api, app } = await testApp();
  const stream = api.stream();
  const asked = app.conversations.thread.ask('질문', 'python');
  expect(app.conversations.unsent.map((thread) => thread.messages[0]?.question)).toEqual(['질문']);
  api.items = [conversation('c1', '질문')];
  stream.start({ conversation_id: 'c1' });
  await until(() => app.conversations.items?.length === 1);
  expect(app.conversations.unsent).toEqual([]);
  stream.done();
  await asked;
});

test('a question that could not be sent stays in reach, also after a new chat', async () => {
  const { api, app } = await testApp();
  api.answer(refusal(500, 'INTERNAL_SERVER_ERROR'));
  await app.conversations.thread.ask('질문', 'python');
  app.conversations.startNew();
  const [thread] = app.conversations.unsent;
  expect(thread?.messages[0]?.question).toBe('질문');
  if (thread) app.conversations.show(thread);
  expect(app.conversations.thread.messages).toHaveLength(1);
});

test('a deleted conversation leaves the list and the screen at once, and is deleted after the undo time', async () => {
  const { api, app } = await withTwo();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  app.conversations.remove('a');
  expect(app.conversations.items?.map(({ id }) => id)).toEqual(['b']);
  expect(app.conversations.thread.id).toBeUndefined();
  await vi.advanceTimersByTimeAsync(UNDO_MS - 1);
  expect(api.deleted).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(api.deleted).toEqual(['a']);
  expect(app.conversations.items?.map(({ id }) => id)).toEqual(['b']);
  expect(localStorage.getItem('hapa.removed')).toBeNull();
});

test('a deletion can be undone, and the conversation is opened again unless a new one was started', async () => {
  const { api, app } = await withTwo();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  app.conversations.remove('b');
  app.conversations.remove('a');
  expect(app.conversations.pendingDeletes.last?.title).toBe('a');
  app.conversations.undoDelete();
  await vi.advanceTimersByTimeAsync(1);
  expect(app.conversations.thread.id).toBe('a');
  expect(app.conversations.items?.map(({ id }) => id)).toEqual(['a']);
  await vi.advanceTimersByTimeAsync(UNDO_MS);
  expect(api.deleted).toEqual(['b']);
});

test('each of several deletions can be undone within its own time, or all at once', async () => {
  const { api, app } = await withTwo();
  api.items = [...api.items, conversation('c')];
  await app.conversations.refresh();
  const { pendingDeletes } = app.conversations;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  app.conversations.remove('b');
  await vi.advanceTimersByTimeAsync(UNDO_MS - 1000);
  app.conversations.remove('c');
  app.conversations.remove('a');
  expect(pendingDeletes).toMatchObject({ count: 3, last: { title: 'a' } });
  app.conversations.undoDelete();
  expect(pendingDeletes).toMatchObject({ count: 2, last: { title: 'c' } });
  // A later deletion does not extend the first one's time, and neither does an undo.
  await vi.advanceTimersByTimeAsync(999);
  expect(api.deleted).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(api.deleted).toEqual(['b']);
  app.conversations.remove('a');
  app.conversations.undoAll();
  await vi.advanceTimersByTimeAsync(UNDO_MS * 2);
  expect(app.conversations.items?.map(({ id }) => id)).toEqual(['a', 'c']);
  expect(app.conversations.thread.id).toBe('a');
  expect(api.deleted).toEqual(['b']);
});

test('a deletion can be undone after a restart of the sidecar', async () => {
  const { api, host, app } = await withTwo();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  app.conversations.remove('a');
  host.report(ready(1));
  await vi.advanceTimersByTimeAsync(UNDO_MS - 1);
  expect(api.deleted).toEqual([]);
  app.conversations.undoDelete();
  expect(app.conversations.items?.map(({ id }) => id)).toEqual(['a', 'b']);
});

test('a closing window deletes all pending conversations', async () => {
  const { api, app } = await withTwo();
  app.conversations.remove('a');
  app.conversations.remove('b');
  expect(localStorage.getItem('hapa.removed')).toBe('["a","b"]');
  await app.conversations.pendingDeletes.flush(true);
  expect(api.deleted).toEqual(['a', 'b']);
  expect(localStorage.getItem('hapa.removed')).toBeNull();
  expect(app.conversations.pendingDeletes.count).toBe(0);
});

test('a failed deletion is reported, although another succeeded', async () => {
  const { api, app } = await withTwo();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  api.refusals = [refusal(500, 'INTERNAL_SERVER_ERROR')];
  app.conversations.remove('a');
  app.conversations.remove('b');
  await vi.advanceTimersByTimeAsync(UNDO_MS);
  expect(api.deleted).toEqual(['b']);
  expect(app.conversations.items?.map(({ id }) => id)).toEqual(['a']);
  expect(app.conversations.pendingDeletes.failed).toBe(true);
});

test('nothing is deleted while timers are paused, and a refreshed list hides pending deletes', async () => {
  const { api, app } = await withTwo();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  app.conversations.remove('a');
  app.conversations.pendingDeletes.pauseTimers();
  await vi.advanceTimersByTimeAsync(UNDO_MS * 3);
  await app.conversations.refresh();
  expect(app.conversations.items?.map(({ id }) => id)).toEqual(['b']);
  expect(api.deleted).toEqual([]);
  app.conversations.pendingDeletes.resumeTimers();
  await vi.advanceTimersByTimeAsync(UNDO_MS);
  expect(api.deleted).toEqual(['a']);
});

test('a closed window leaves its pending deletes to the next', async () => {
  const { api, app } = await withTwo();
  app.conversations.remove('a');
  expect(localStorage.getItem('hapa.removed')).toBe('["a"]');
  const next = new App({ host: new FakeHost(), fetch: api.fetch, storage: localStorage, language: 'ko-KR' });
  await next.start();
  await until(() => api.deleted.length === 1);
  await until(() => next.conversations.items?.length === 1);
  app.conversations.undoDelete();
});

test('a conversation that cannot be deleted returns to the list', async () => {
  const { api, app } = await withTwo();
  api.refusals = [refusal(500, 'INTERNAL_SERVER_ERROR')];
  app.conversations.remove('a');
  await app.conversations.pendingDeletes.flush();
  expect(app.conversations.items?.map(({ id }) => id)).toEqual(['a', 'b']);
  expect(app.conversations.pendingDeletes.failed).toBe(true);
});

test('a conversation is a file with all versions of its questions, under its title', async () => {
  const { api, app } = await withTwo();
  api.exportedHistory = [historyItem('m1', { conversation_id: 'a', replaced: true }), historyItem('m9', { conversation_id: 'b' }), historyItem('m2', { conversation_id: 'a' })];
  const { name, content } = await app.conversations.exportFile('a', 'json');
  expect(name).toBe('a.json');
  expect(JSON.parse(content)).toMatchObject({ format: 'json', messages: [{ id: 'm1', replaced: true }, { id: 'm2' }] });
});

test('a long list is loaded page by page, and keeps its pages when the first one changes', async () => {
  const { api, app } = await testApp();
  const dated = (number: number) => ({ ...conversation(`c${number}`), updated_at: new Date(number * 60_000).toISOString() });
  api.items = Array.from({ length: 120 }, (_, index) => dated(120 - index));
  await app.conversations.refresh();
  expect(app.conversations).toMatchObject({ items: { length: 50 }, hasMore: true });
  await app.conversations.loadMore();
  await app.conversations.loadMore();
  expect(app.conversations).toMatchObject({ items: { length: 120 }, hasMore: false });

  // One is new, one was updated, one was deleted by another client.
  const used = { ...dated(7), updated_at: dated(122).updated_at };
  api.items = [used, dated(121), ...api.items.filter(({ id }) => id !== 'c7' && id !== 'c119')];
  await app.conversations.refresh();
  expect(app.conversations.items?.map(({ id }) => id)).toEqual(api.items.map(({ id }) => id));
  expect(app.conversations.hasMore).toBe(false);
});

test('a list that fails to load says so only if there is nothing to show', async () => {
  const { api, app } = await testApp();
  api.items = [conversation('a')];
  await app.conversations.refresh();
  const unreachable = { ...api, conversations: () => Promise.reject(new TypeError('failed to fetch')) };
  await app.conversations.refresh(unreachable as never);
  expect(app.conversations).toMatchObject({ failed: false, items: { length: 1 } });
  const { app: other } = await testApp({ status: { state: 'starting' } });
  await other.conversations.refresh(unreachable as never);
  expect(other.conversations.failed).toBe(true);
});
