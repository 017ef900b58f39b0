import { beforeEach, expect, test, vi } from 'vitest';

import { refusal } from '../testing/router';
import { testApp } from '../testing/testApp';

/** Uploads that the test drives. */
class FakeRequest {
  static all: FakeRequest[] = [];
  readonly upload: { onprogress?: (event: { loaded: number }) => void } = {};
  readonly headers: Record<string, string> = {};
  url = '';
  file: File | undefined;
  status = 0;
  responseText = '';
  onload?: () => void;
  onerror?: () => void;
  onabort?: () => void;
  open = (_method: string, url: string) => void (this.url = url);
  setRequestHeader = (name: string, value: string) => void (this.headers[name] = value);
  abort = () => this.onabort?.();
  send(file: File) {
    this.file = file;
    FakeRequest.all.push(this);
  }
  async answer(response: Response) {
    this.status = response.status;
    this.responseText = await response.text();
    this.onload?.();
  }
}

beforeEach(() => {
  FakeRequest.all = [];
  vi.stubGlobal('XMLHttpRequest', FakeRequest);
});

const file = (name: string) => new File(['1234'], name);
const startedUpload = async (count: number) => {
  await vi.waitFor(() => expect(FakeRequest.all).toHaveLength(count));
  return FakeRequest.all[count - 1] as FakeRequest;
};

test('files are uploaded one after the other, show their progress, and become models', async () => {
  const { api, app } = await testApp();
  app.imports.add([file('my model.gguf'), file('two.GGUF')]);
  const states = () => app.imports.items.map(({ state }) => state);
  const first = await startedUpload(1);
  expect(first.url).toBe('http://127.0.0.1:8000/api/v1/models/imports/my%20model.gguf');
  expect(first.headers).toEqual({ 'Content-Type': 'application/octet-stream', 'X-API-Key': 'hapa_0123', 'Accept-Language': 'ko' });
  expect(states()).toEqual(['sending', 'waiting']);
  first.upload.onprogress?.({ loaded: 3 });
  expect(app.imports.items[0]?.sentBytes).toBe(3);
  first.upload.onprogress?.({ loaded: 4 });
  expect(states()).toEqual(['checking', 'waiting']);
  await first.answer(Response.json({ status: 'success' }));
  const second = await startedUpload(2);
  expect(second.file?.name).toBe('two.GGUF');
  await second.answer(Response.json({ status: 'success' }));
  await vi.waitFor(() => expect(states()).toEqual(['done', 'done']));
  await vi.waitFor(() => expect(api.requests.filter(({ path }) => path === '/api/v1/models').length).toBeGreaterThan(0));
});

test('a file with another extension is not uploaded, and an API error is shown', async () => {
  const { app } = await testApp({ language: 'en-US' });
  app.imports.add([file('notes.txt'), file('broken.gguf')]);
  expect(app.imports.items[0]).toMatchObject({ state: 'failed', notRetryable: true, message: expect.stringContaining('.gguf') as string });
  await (await startedUpload(1)).answer(refusal(422, 'VALIDATION_ERROR'));
  await vi.waitFor(() => expect(app.imports.items[1]).toMatchObject({ state: 'failed', notRetryable: true, message: 'refused: VALIDATION_ERROR' }));
});

test('a failed upload can be retried, and a removed one is cancelled', async () => {
  const { app } = await testApp();
  app.imports.add([file('one.gguf')]);
  (await startedUpload(1)).onerror?.();
  await vi.waitFor(() => expect(app.imports.items[0]).toMatchObject({ state: 'failed', notRetryable: false, message: undefined }));
  const [failed] = app.imports.items;
  if (failed) app.imports.retry(failed);
  const second = await startedUpload(2);
  const hungUp = vi.spyOn(second, 'abort');
  const [sending] = app.imports.items;
  if (sending) app.imports.remove(sending);
  expect(hungUp).toHaveBeenCalled();
  expect(app.imports.items).toEqual([]);
  app.imports.add([file('next.gguf')]);
  await startedUpload(3);
});
