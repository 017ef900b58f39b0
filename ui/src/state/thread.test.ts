import { afterEach, expect, test, vi } from 'vitest';

import { conversation, historyItem } from '../testing/items';
import { refusal } from '../testing/router';
import { testApp, ready } from '../testing/testApp';
import type { Message } from './thread.svelte';

afterEach(() => void vi.useRealTimers());

/** The visible part of a thread. */
const shown = (messages: readonly Message[]) => messages.map(({ question, answer }) => [question, answer.state, answer.text]);

/** Waits for a condition. */
const until = (test: () => boolean) => vi.waitFor(() => expect(test()).toBe(true));

test('an answer is rendered as it streams', async () => {
  const { api, app } = await testApp();
  const thread = app.conversations.thread;
  const stream = api.stream();
  const asked = thread.ask('질문', 'python');
  const [message] = thread.messages;
  expect(message?.answer.state).toBe('waiting');
  stream.start({ conversation_id: 'c1', message_id: 'm1' });
  await until(() => thread.id === 'c1');
  stream.explanation('이렇게 ');
  await until(() => message?.answer.text === '이렇게 ');
  expect(message?.answer.state).toBe('streaming');
  stream.explanation('하면 됩니다.').done({ answer: '이렇게 하면 됩니다.', finish_reason: 'stop' });
  await asked;
  expect(message?.answer).toMatchObject({
    state: 'done',
    text: '이렇게 하면 됩니다.',
    model: 'scripted',
    backend: 'local',
    tokensPerSecond: 20,
    seconds: 1.5,
    truncated: false,
    droppedMessages: 0,
  });
  expect(api.questions).toEqual([{ user_question: '질문', language: 'python' }]);
});

test('the next question goes to the same conversation', async () => {
  const { api, app } = await testApp();
  const thread = app.conversations.thread;
  api.stream().start({ conversation_id: 'c1', message_id: 'm1' }).done();
  await thread.ask('하나', 'python');
  api.stream().start({ conversation_id: 'c1', message_id: 'm2' }).done();
  await thread.ask('둘', 'go');
  expect(api.questions[1]).toEqual({ user_question: '둘', language: 'go', conversation_id: 'c1' });
});

test('an answer that was truncated, or whose prompt dropped messages, says so', async () => {
  const { api, app } = await testApp();
  api.stream().start().done({ finish_reason: 'length', context: { used: 9, limit: 9, dropped: ['2 earlier messages'], dropped_messages: 2 } });
  await app.conversations.thread.ask('질문', 'python');
  expect(app.conversations.thread.messages[0]?.answer).toMatchObject({ state: 'done', truncated: true, droppedMessages: 2 });
});

test('stopping hangs up and keeps what was written', async () => {
  const { api, app } = await testApp();
  const thread = app.conversations.thread;
  const stream = api.stream().start().code('while True:\n', 'python');
  const asked = thread.ask('질문', 'python');
  await until(() => thread.messages[0]?.answer.state === 'streaming');
  thread.stop();
  await asked;
  expect(stream.cancelled).toBe(true);
  expect(thread.messages[0]?.answer.state).toBe('stopped');
  expect(thread.messages[0]?.answer.text).toContain('while True:');
  expect(thread.running).toBeUndefined();
});

test('a question can be stopped before it was accepted', async () => {
  const { app } = await testApp();
  const thread = app.conversations.thread;
  const asked = thread.ask('질문', 'python');
  thread.stop();
  await asked;
  expect(shown(thread.messages)).toEqual([['질문', 'stopped', '']]);
});

test('an answer whose sidecar crashes is interrupted, stays, and can be asked for again', async () => {
  const { api, host, app } = await testApp();
  const thread = app.conversations.thread;
  const stream = api.stream().start({ message_id: 'm1' }).explanation('반쯤');
  const asked = thread.ask('질문', 'python');
  await until(() => thread.messages[0]?.answer.text === '반쯤');
  stream.fail();
  await asked;
  expect(shown(thread.messages)).toEqual([['질문', 'interrupted', '반쯤']]);

  host.report({ state: 'restarting', restarts: 1, retry_in_ms: 0, reason: 'crashed', log: [] });
  const [message] = thread.messages;
  const again = message ? thread.regenerate(message) : undefined;
  expect(thread.messages[0]?.answer.waitingFor).toBe('sidecar');
  api.stream().start({ message_id: 'm2' }).explanation('다').done();
  host.report(ready(1));
  await again;
  expect(shown(thread.messages)).toEqual([['질문', 'done', '다']]);
  expect(api.questions[1]).toMatchObject({ user_question: '질문', conversation_id: 'c', replaces: 'm1' });
});

test('an error in the middle keeps the text so far', async () => {
  const { api, app } = await testApp();
  api.stream().start().explanation('반쯤').error('SERVICE_UNAVAILABLE', '모델이 답하지 않았습니다');
  await app.conversations.thread.ask('질문', 'python');
  const answer = app.conversations.thread.messages[0]?.answer;
  expect(answer).toMatchObject({ state: 'failed', text: '반쯤' });
  expect(answer?.error?.message).toBe('모델이 답하지 않았습니다');
});

test('a question waits for the model to load and is sent again by itself', async () => {
  const { api, app } = await testApp();
  api.model = { state: 'loading', progress: 0.4 };
  api.answer(refusal(503, 'SERVICE_UNAVAILABLE', { reason: 'model_loading' }, { 'Retry-After': '2' }));
  const thread = app.conversations.thread;
  const asked = thread.ask('질문', 'python');
  await until(() => thread.messages[0]?.answer.waitingFor === 'model' && app.activeModel.state === 'loading');
  expect(app.activeModel.progress).toBe(0.4);
  api.stream().start().explanation('답').done();
  api.model = { state: 'ready', name: 'scripted' };
  await asked;
  expect(shown(thread.messages)).toEqual([['질문', 'done', '답']]);
  expect(api.questions).toHaveLength(2);
});

test('a model that fails to load fails the question that waited for it', async () => {
  const { api, app } = await testApp();
  api.model = { state: 'loading', progress: 0.9 };
  api.answer(refusal(503, 'SERVICE_UNAVAILABLE', { reason: 'model_loading' }));
  const asked = app.conversations.thread.ask('질문', 'python');
  api.model = { state: 'failed', message: 'it ends 3 MB early' };
  await asked;
  expect(app.conversations.thread.messages[0]?.answer.state).toBe('failed');
  expect(app.activeModel).toMatchObject({ state: 'failed', message: 'it ends 3 MB early' });
});

test('an overloaded API is retried after the delay it asks for, a limited number of times', async () => {
  const { api, app } = await testApp();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const overloaded = () => refusal(503, 'SERVICE_UNAVAILABLE', { reason: 'overloaded' }, { 'Retry-After': '3' });
  for (let time = 0; time < 20; time += 1) api.answer(overloaded());
  const asked = app.conversations.thread.ask('질문', 'python');
  await vi.advanceTimersByTimeAsync(2900);
  expect(api.questions).toHaveLength(1);
  expect(app.conversations.thread.messages[0]?.answer.waitingFor).toBe('queue');
  await vi.advanceTimersByTimeAsync(60_000);
  await asked;
  expect(api.questions).toHaveLength(6);
  expect(app.conversations.thread.messages[0]?.answer.state).toBe('failed');
});

test('a question that is asked while the sidecar starts is sent when it is there', async () => {
  const { api, host, app } = await testApp({ status: { state: 'starting' } });
  api.stream().start().done({ answer: '답' });
  const asked = app.conversations.thread.ask('질문', 'python');
  expect(api.questions).toHaveLength(0);
  host.report(ready());
  await asked;
  expect(app.conversations.thread.messages[0]?.answer.text).toBe('답');
});

test('a sidecar that was given up fails the question, which survives a reload', async () => {
  const { host, app } = await testApp({ status: { state: 'starting' } });
  const asked = app.conversations.thread.ask('질문', 'python');
  host.report({ state: 'failed', reason: 'crashes_too_often', log: ['panicked'] });
  await asked;
  expect(shown(app.conversations.thread.messages)).toEqual([['질문', 'failed', '']]);
  expect(localStorage.getItem('hapa.unsent')).toContain('질문');
});

test('an accepted question is not stored as unsent', async () => {
  const { api, app } = await testApp();
  const stream = api.stream();
  const asked = app.conversations.thread.ask('질문', 'python');
  expect(localStorage.getItem('hapa.unsent')).toContain('질문');
  stream.start().done();
  await asked;
  expect(localStorage.getItem('hapa.unsent')).toBeNull();
});

test('an edited question replaces the old one and the messages after it', async () => {
  const { api, app } = await testApp();
  api.items = [conversation('c')];
  api.threads['c'] = [historyItem('m1'), historyItem('m2'), historyItem('m3')];
  await app.conversations.open('c');
  const thread = app.conversations.thread;
  const second = thread.messages[1];
  if (!second) throw new Error('the thread was not read');
  api.stream().start({ message_id: 'm4' }).done({ answer: '새 답' });
  await thread.edit(second, '고친 질문');
  expect(shown(thread.messages)).toEqual([['question m1', 'done', 'answer m1'], ['고친 질문', 'done', '새 답']]);
  expect(api.questions[0]).toEqual({ user_question: '고친 질문', language: 'python', conversation_id: 'c', replaces: 'm2' });
});

test('a long conversation is loaded from its end, and further back on scrolling up', async () => {
  const { api, app } = await testApp();
  api.threads['c'] = Array.from({ length: 200 }, (_, index) => historyItem(`m${index}`));
  await app.conversations.open('c');
  const thread = app.conversations.thread;
  const ids = () => thread.messages.map(({ answer }) => answer.messageId);
  expect(ids()).toHaveLength(12);
  expect(ids().at(-1)).toBe('m199');
  await Promise.all([thread.loadEarlier(), thread.loadEarlier()]);
  expect(ids()[0]).toBe('m128');
  while (thread.hasEarlier) await thread.loadEarlier();
  expect(ids()).toEqual(api.threads['c'].map(({ id }) => id));
});

test('messages are loaded back to the one searched for, and an unknown one ends the search', async () => {
  const { api, app } = await testApp();
  api.threads['c'] = Array.from({ length: 2500 }, (_, index) => historyItem(`m${index}`));
  await app.conversations.open('c', 'm900');
  const thread = app.conversations.thread;
  expect(thread).toMatchObject({ scrollTarget: 'm900', hasEarlier: true });
  expect(thread.messages[0]?.answer.messageId).toBe('m488');
  await app.conversations.open('c', 'nowhere');
  expect(thread).toMatchObject({ scrollTarget: undefined, hasEarlier: false, messages: { length: 2500 } });
});

test('a message on another branch is shown there', async () => {
  const { api, app } = await testApp();
  const versions = ['m2', 'm3'];
  api.threads['c'] = [historyItem('m1'), historyItem('m3', { versions })];
  api.branches = { m2: [historyItem('m1'), historyItem('m2', { versions })] };
  await app.conversations.open('c', 'm2');
  expect(app.conversations.thread.scrollTarget).toBe('m2');
  expect(app.conversations.thread.messages.map(({ question }) => question)).toEqual(['question m1', 'question m2']);
});

test('what was asked meanwhile stays when earlier messages are read, and failing to read them loses nothing', async () => {
  const { api, host, app } = await testApp();
  api.threads['c'] = Array.from({ length: 100 }, (_, index) => historyItem(`m${index}`));
  await app.conversations.open('c');
  const thread = app.conversations.thread;
  api.stream().start({ message_id: 'new' }).done({ answer: '답' });
  await thread.ask('새 질문', 'python');
  const { c } = api.threads;
  delete api.threads['c'];
  await thread.loadEarlier();
  expect(thread).toMatchObject({ earlierLoadState: 'failed', messages: { length: 13 } });
  if (c) api.threads['c'] = c;
  host.report(ready(1));
  await thread.loadEarlier();
  expect(thread.messages.at(-1)?.answer.messageId).toBe('new');
  expect(thread.messages).toHaveLength(73);
});

test('what is to be done and the files go with a question, and again when it is edited or asked again', async () => {
  const { api, app } = await testApp();
  const thread = app.conversations.thread;
  const files = [{ path: 'a.py', content: 'x = 1' }];
  for (const id of ['m1', 'm2', 'm3']) api.stream().start({ conversation_id: 'c', message_id: id }).done({ answer: '답' });
  await thread.ask('고쳐 줘', 'python', { preset: 'bug_fix', files });
  await thread.regenerate(thread.messages[0] as Message);
  await thread.edit(thread.messages[0] as Message, '다시 고쳐 줘');
  for (const question of api.questions) expect(question).toMatchObject({ model_type: 'bug_fix', files });
  expect(api.questions.map(({ replaces }) => replaces)).toEqual([undefined, 'm1', 'm2']);
});

test('a stored message keeps its preset and files, and code of other clients becomes a file', async () => {
  const { api, app } = await testApp();
  const files = [{ path: 'a.py', content: 'x = 1' }];
  api.threads['c'] = [historyItem('m1', { model_type: 'code_review', files, code_context: 'y = 2' }), historyItem('m2')];
  await app.conversations.open('c');
  expect(app.conversations.thread.messages.map(({ options }) => options)).toEqual([
    { preset: 'code_review', files: [{ path: 'code.py', content: 'y = 2' }, ...files] },
    { preset: 'code_generation', files: [] },
  ]);
});

test('an edited question has versions, each with its own branch', async () => {
  const { api, app } = await testApp();
  const [first, second] = [historyItem('m1'), historyItem('m2', { versions: ['m2', 'm4'] })];
  const [third, edited] = [historyItem('m3'), historyItem('m4', { versions: ['m2', 'm4'] })];
  api.threads['c'] = [first, historyItem('m2'), third];
  api.branches = { m2: [first, second, third], m4: [first, edited] };
  await app.conversations.open('c');
  const thread = app.conversations.thread;
  const at = (index: number) => thread.messages[index] as Message;
  const [kept] = thread.messages;
  api.stream().start({ message_id: 'm4' }).done({ answer: '새 답' });
  await thread.edit(at(1), '고친 질문');
  expect([at(1).versions, at(1).versionIndex]).toEqual([['m2', 'm4'], 1]);
  expect(await thread.switchVersion(at(1), 1), 'there is none').toBeUndefined();

  expect(await thread.switchVersion(at(1), -1)).toBe('m2');
  expect(api.requests.findLast(({ method }) => method === 'PATCH')?.body).toEqual({ shown: 'm2' });
  expect(thread.messages.map(({ question }) => question)).toEqual(['question m1', 'question m2', 'question m3']);
  expect(at(0), 'what is the same stays the same').toBe(kept);
  expect(await thread.switchVersion(at(1), 1)).toBe('m4');
  expect(thread.messages.map(({ question }) => question)).toEqual(['question m1', 'question m4']);
});

test('what an answer did not see of its conversation is still known when that is opened again', async () => {
  const { api, app } = await testApp();
  api.threads['c'] = [historyItem('m1'), historyItem('m2', { dropped_messages: 3 })];
  await app.conversations.open('c');
  expect(app.conversations.thread.messages.map(({ answer }) => answer.droppedMessages)).toEqual([0, 3]);
});

test('a truncated answer is continued in place', async () => {
  const { api, app } = await testApp();
  api.threads['c'] = [historyItem('m1'), historyItem('m2', { response: '이렇게:\n\n```python\nx = ', finish_reason: 'length', model_type: 'bug_fix' })];
  await app.conversations.open('c');
  const thread = app.conversations.thread;
  const message = thread.messages[1] as Message;
  expect(message.answer.canContinue).toBe(true);
  const stream = api.stream().start({ message_id: 'm2' }).code('1\n').explanation('끝.');
  const gone = thread.continueAnswer(message);
  await until(() => message.answer.text.endsWith('끝.'));
  expect(message.answer.state).toBe('streaming');
  expect(message.answer.text).toMatch(/^이렇게:\n\n```python\nx = 1\n`{3,}\n\n끝\.$/);
  stream.done({ answer: '이렇게:\n\n```python\nx = 1\n```\n\n끝.' });
  await gone;
  expect(message.answer).toMatchObject({ state: 'done', truncated: false, canContinue: false, messageId: 'm2' });
  expect(api.questions).toEqual([{ user_question: 'question m2', language: 'python', model_type: 'bug_fix', conversation_id: 'c', continues: 'm2' }]);
});

test('an answer that cannot be continued stays and shows the error; a complete one is left alone', async () => {
  const { api, app } = await testApp();
  api.threads['c'] = [historyItem('m1', { finish_reason: 'length' }), historyItem('m2', { finish_reason: 'cancelled' })];
  await app.conversations.open('c');
  const thread = app.conversations.thread;
  const [first, last] = thread.messages as [Message, Message];
  await thread.continueAnswer(first);
  expect(api.questions, 'something follows it').toEqual([]);
  api.answer(refusal(422, 'VALIDATION_ERROR', { reason: 'context_too_long' }));
  await thread.continueAnswer(last);
  expect(last.answer).toMatchObject({ state: 'failed', text: 'answer m2', canContinue: true });

  const stream = api.stream().start({ message_id: 'm2' }).explanation(', und');
  const gone = thread.continueAnswer(last);
  await until(() => last.answer.text === 'answer m2, und');
  thread.stop();
  await gone;
  expect(stream.cancelled).toBe(true);
  expect(last.answer).toMatchObject({ state: 'stopped', text: 'answer m2, und', error: undefined });
  api.stream().start({ message_id: 'm2' }).done({ answer: 'answer m2, und so weiter' });
  await thread.continueAnswer(last);
  expect(last.answer.canContinue).toBe(false);
  await thread.continueAnswer(last);
  expect(api.questions).toHaveLength(3);
});

test('an edited question that was rejected can be retried, or discarded with nothing lost', async () => {
  const { api, app } = await testApp();
  api.threads['c'] = [historyItem('m1'), historyItem('m2')];
  await app.conversations.open('c');
  const thread = app.conversations.thread;
  const at = (index: number) => thread.messages[index] as Message;
  api.answer(refusal(422, 'VALIDATION_ERROR', { reason: 'context_too_long' }));
  await thread.edit(at(0), '너무 긴 질문');
  expect(shown(thread.messages)).toEqual([['너무 긴 질문', 'failed', '']]);

  api.answer(refusal(500, 'INTERNAL_SERVER_ERROR'));
  await thread.regenerate(at(0));
  expect(api.questions[1]).toMatchObject({ user_question: '너무 긴 질문', replaces: 'm1' });

  thread.discardUnsent(at(0));
  expect(shown(thread.messages)).toEqual([['question m1', 'done', 'answer m1'], ['question m2', 'done', 'answer m2']]);
});

test('editing while an answer is written stops that answer', async () => {
  const { api, app } = await testApp();
  const thread = app.conversations.thread;
  const first = api.stream().start({ message_id: 'm1' }).explanation('가');
  const asked = thread.ask('하나', 'python');
  await until(() => thread.messages[0]?.answer.state === 'streaming');
  api.stream().start({ message_id: 'm2' }).done({ answer: '나' });
  await Promise.all([asked, thread.edit(thread.messages[0] as Message, '둘')]);
  expect(first.cancelled).toBe(true);
  expect(api.questions[1]).toMatchObject({ user_question: '둘', replaces: 'm1' });
  expect(shown(thread.messages)).toEqual([['둘', 'done', '나']]);
});
