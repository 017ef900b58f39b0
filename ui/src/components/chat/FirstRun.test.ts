import { render, screen, waitFor } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';

import { App } from '../../state/app.svelte';
import Window from '../../Window.svelte';
import { FakeApi } from '../../testing/fakeApi';
import { catalogueItem, conversation, download, modelItem } from '../../testing/items';
import { refusal } from '../../testing/router';
import { testApp, ready } from '../../testing/testApp';

/** A window over a sidecar without a model, whose API has these values. */
async function open(values: Partial<FakeApi> = {}, language = 'en-US') {
  const catalogue = [catalogueItem('Small', { suggested: true }), catalogueItem('Large')];
  const all = await testApp({ api: Object.assign(new FakeApi(), { model: { state: 'absent' }, catalogue, ...values }), language });
  render(Window, { app: all.app });
  return { ...all, user: userEvent.setup() };
}

test('without a model and a conversation the window introduces itself, offers one model, and says why that one', async () => {
  const { api, user } = await open();
  await screen.findByTestId('first-run');
  expect(screen.queryByTestId('model-notice')).toBeNull();
  const offered = await screen.findAllByTestId('catalogue-row');
  expect(offered).toHaveLength(1);
  expect(offered[0]?.textContent).toMatch(/Small\s*Best for this computer\s*1.0 GiB.*apache-2.0\s*A model that answers quickly/s);
  expect(screen.getByTestId('key-list').textContent).toMatch(/Start a new chat\s*Ctrl\+N/);
  await waitFor(() => expect(screen.getByTestId<HTMLSelectElement>('first-explanationStyle').disabled).toBe(false));
  await user.selectOptions(screen.getByTestId('first-explanationStyle'), 'educational');
  await waitFor(() => expect(api.profile.explanationStyle).toBe('educational'));
  await user.click(screen.getByTestId('download-model'));
  expect(api.modelCommands).toEqual([['POST /downloads', { repository: 'Qwen/Small', file: 'small.gguf' }]]);
});

test('a model that fits entirely on the GPU is recommended for that reason', async () => {
  const item = catalogueItem('Small', { suggested: true });
  await open({ catalogue: [{ ...item, fit: { ...item.fit, layers: 24, gpu_layers: 24 } }] });
  expect((await screen.findByTestId('catalogue-row')).textContent).toContain('fits entirely into this computer’s GPU memory');
});

test('a question asked before there is a model waits for it, and the chat shows the download', async () => {
  const { api, user } = await open();
  await screen.findByTestId('catalogue-row');
  api.answer(refusal(503, 'SERVICE_UNAVAILABLE', { reason: 'model_missing' }));
  await user.type(screen.getByTestId('question'), 'My first question{Enter}');
  const answer = await screen.findByTestId('answer');
  await waitFor(() => expect(answer.textContent).toContain('Select one to get an answer'));
  expect(screen.queryByTestId('first-run')).toBeNull();
  api.reportDownloads(download('small'));
  await waitFor(() => expect(screen.getByTestId('model-coming').textContent).toMatch(/512 MiB of 1.0 GiB.*8 MiB\/s/));
  expect(answer.textContent).toContain('The model is downloading');

  const stream = api.stream().start();
  api.model = { state: 'ready', name: 'small' };
  api.models = [modelItem('small')];
  api.reportDownloads(download('small', { state: 'done' }));
  await waitFor(() => expect(api.questions).toHaveLength(2));
  stream.explanation('Hello').done({ answer: 'Hello' });
  await waitFor(() => expect(answer.dataset['state']).toBe('done'));
  await waitFor(() => expect(screen.getByTestId('model-status').dataset['state']).toBe('ready'));
  expect(screen.queryByTestId('model-coming')).toBeNull();
});

test('an import shows its progress in the chat too', async () => {
  const { app, api } = await open();
  vi.stubGlobal('XMLHttpRequest', class { upload = {}; open() {} setRequestHeader() {} send() {} abort() {} });
  app.imports.add([new File(['1'.repeat(100)], 'own.gguf')]);
  expect((await screen.findByTestId('import')).textContent).toContain('own.gguf');
  api.items = [conversation('a')];
  await app.conversations.refresh();
  expect((await screen.findByTestId('model-bringing')).textContent).toContain('own.gguf');
});

test('a question that waits for a model can be discarded', async () => {
  const { api, app, user } = await open();
  api.answer(refusal(503, 'SERVICE_UNAVAILABLE', { reason: 'model_missing' }));
  await user.type(screen.getByTestId('question'), 'My first question{Enter}');
  await waitFor(() => expect(app.conversations.thread.messages[0]?.answer.waitingFor).toBe('download'));
  await user.keyboard('{Escape}');
  await waitFor(() => expect(screen.getByTestId('answer').dataset['state']).toBe('stopped'));
});

test('a failed download shows its error, also in the chat, and is resumed', async () => {
  const { api, app, user } = await open();
  api.reportDownloads(download('small', { state: 'failed', message: 'the disk needs room' }));
  await waitFor(() => expect(screen.getByTestId('download').textContent).toContain('the disk needs room'));
  await user.click(screen.getByTestId('resume-download'));
  api.items = [conversation('a')];
  await app.conversations.refresh();
  await waitFor(() => expect(screen.getByTestId('model-broken').textContent).toContain('the disk needs room'));
  await user.click(screen.getByTestId('resume-download'));
  expect(api.modelCommands.map(([order]) => order)).toEqual(['PATCH /downloads/small', 'PATCH /downloads/small']);
});

test('it stays until the first question when the model comes, and never comes again after', async () => {
  const { api, app } = await open();
  await screen.findByTestId('catalogue-row');
  api.model = { state: 'ready', name: 'small' };
  api.models = [modelItem('small')];
  api.reportDownloads(download('small', { state: 'done' }));
  expect((await screen.findByTestId('offer-ready')).textContent).toContain('Ask your first question');
  api.items = [conversation('a')];
  await app.conversations.refresh();
  await waitFor(() => expect(screen.queryByTestId('first-run')).toBeNull());
});

test('with a model, conversations or a remote server there is no first run', async () => {
  for (const values of [{ model: { state: 'ready' } }, { items: [conversation('a')] }, { remote: { policy: 'remote', state: 'up' } }] as const) {
    const { app } = await testApp({ api: Object.assign(new FakeApi(), { model: { state: 'absent' }, ...values }) });
    await vi.waitFor(() => expect(app.conversations.items).toBeDefined());
    await vi.waitFor(() => expect(app.activeModel.state).not.toBe('unknown'));
    await vi.waitFor(() => expect(app.firstRun.state).toBe('done'));
  }
});

test('a first run is unknown until the API has responded, and never comes back', async () => {
  const { app, host } = await open({}, 'ko-KR');
  await waitFor(() => expect(app.firstRun.state).toBe('active'));
  const starting = await testApp({ status: { state: 'starting' } });
  expect(starting.app.firstRun.state).toBe('unknown');
  starting.host.report(ready());
  await vi.waitFor(() => expect(starting.app.firstRun.state).toBe('done'));
  // The storage is the same; the model and the conversations are gone.
  const api = Object.assign(new FakeApi(), { model: { state: 'absent' } });
  const again = new App({ host, fetch: api.fetch, storage: localStorage, language: 'ko-KR' });
  expect(again.firstRun.state).toBe('done');
});

test('when no model fits, that is shown, and the alternatives stay', async () => {
  const { app, user } = await open({ catalogue: [catalogueItem('Large')] }, 'ko-KR');
  await waitFor(() => expect(screen.getByTestId('offer').textContent).toContain('이 컴퓨터에 맞는 모델이 없습니다'));
  await user.click(screen.getByTestId('use-remote'));
  expect(app.view).toBe('settings');
});

test('a question that waits for a model survives a restart of the sidecar', async () => {
  const { api, app, host, user } = await open();
  api.answer(refusal(503, 'SERVICE_UNAVAILABLE', { reason: 'model_missing' }));
  await user.type(screen.getByTestId('question'), 'Q{Enter}');
  await waitFor(() => expect(app.conversations.thread.messages[0]?.answer.waitingFor).toBe('download'));
  host.report({ state: 'restarting', restarts: 1, retry_in_ms: 0, reason: 'crashed', log: [] });
  api.model = { state: 'ready', name: 'small' };
  api.stream().start().done({ answer: 'Yes' });
  host.report(ready(1));
  await waitFor(() => expect(screen.getByTestId('answer').dataset['state']).toBe('done'));
});
