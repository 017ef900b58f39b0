import { afterEach, expect, test, vi } from 'vitest';

import { FakeApi } from '../testing/fakeApi';
import { FakeStream } from '../testing/fakeStream';
import { conversation } from '../testing/items';
import { refusal } from '../testing/router';
import { connect, type Frame } from './client';
import { StreamInterrupted, ApiError, ApiUnreachable } from './errors';

afterEach(() => void vi.useRealTimers());

const open = (api: FakeApi, language = 'ko') => connect('http://127.0.0.1:8000', 'hapa_0123', api.fetch, () => language);

async function all(frames: AsyncGenerator<Frame>): Promise<Frame[]> {
  const found: Frame[] = [];
  for await (const frame of frames) found.push(frame);
  return found;
}

const ask = (api: FakeApi, signal = new AbortController().signal) =>
  all(open(api).generateCodeStreaming({ user_question: '질문' }, signal));

test('each request carries the key and the language of the window', async () => {
  const api = new FakeApi();
  await open(api, 'en').healthDetailed();
  const [request] = api.requests;
  expect(request?.headers.get('X-API-Key')).toBe('hapa_0123');
  expect(request?.headers.get('Accept-Language')).toBe('en');
});

test('a stream is yielded up to its done event', async () => {
  const api = new FakeApi();
  api.stream().start().explanation('a').code('b', 'python').done();
  const frames = await ask(api);
  expect(frames.map(({ type }) => type)).toEqual(['start', 'explanation', 'code', 'done']);
  expect(api.questions).toEqual([{ user_question: '질문' }]);
});

test('an error response becomes an ApiError with code, message and retry delay', async () => {
  const api = new FakeApi();
  api.answer(refusal(503, 'SERVICE_UNAVAILABLE', { reason: 'model_loading' }, { 'Retry-After': '2' }));
  const error = await ask(api).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ code: 'model_loading', message: 'refused: SERVICE_UNAVAILABLE', retryAfter: 2 });
});

test('what is wrong with a field is part of the words', async () => {
  const api = new FakeApi();
  api.answer(refusal(422, 'VALIDATION_ERROR', { user_question: ['비어 있을 수 없습니다'] }));
  await expect(ask(api)).rejects.toThrow('refused: VALIDATION_ERROR: 비어 있을 수 없습니다');
});

test('an error event becomes an ApiError', async () => {
  const api = new FakeApi();
  api.stream().start().explanation('a').error('SERVICE_UNAVAILABLE', '모델이 답하지 않았습니다');
  await expect(ask(api)).rejects.toMatchObject({ name: 'ApiError', message: '모델이 답하지 않았습니다' });
});

test('an error response of another server is an ApiError too', async () => {
  const api = new FakeApi();
  api.answer(new Response('<h1>Bad gateway</h1>', { status: 502 }));
  await expect(ask(api)).rejects.toMatchObject({ name: 'ApiError', code: 'UNKNOWN' });
});

test('a missing server is unreachable', async () => {
  const fetch = () => Promise.reject(new TypeError('failed to fetch'));
  const client = connect('http://127.0.0.1:8000', 'hapa_0123', fetch, () => 'ko');
  await expect(client.conversations({ limit: 50, offset: 0 })).rejects.toBeInstanceOf(ApiUnreachable);
});

test('a lost connection, an end without done, and invalid JSON interrupt the stream', async () => {
  const cuts: ((stream: FakeStream) => void)[] = [
    (stream) => stream.fail(),
    (stream) => stream.end(),
    (stream) => stream.raw('data: {not json\n\n'),
  ];
  for (const cut of cuts) {
    const api = new FakeApi();
    cut(api.stream().start());
    await expect(ask(api)).rejects.toBeInstanceOf(StreamInterrupted);
  }
});

test('a stream that stays idle is interrupted', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const api = new FakeApi();
  const stream = api.stream().start();
  const outcome = ask(api).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(40_000);
  stream.send('token', '');
  await vi.advanceTimersByTimeAsync(40_000);
  expect(stream.cancelled).toBe(false);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await outcome).toBeInstanceOf(StreamInterrupted);
});

test('conversations are listed and deleted', async () => {
  const api = new FakeApi();
  api.items = [conversation('a'), conversation('b')];
  await open(api).deleteConversation('a');
  const page = await open(api).conversations({ limit: 50, offset: 0 });
  expect(page.items.map(({ id }) => id)).toEqual(['b']);
});
