import { render, screen, waitFor, within } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';

import Window from '../../Window.svelte';
import { FakeApi } from '../../testing/fakeApi';
import { memory, modelItem } from '../../testing/items';
import { refusal } from '../../testing/router';
import { testApp, ready } from '../../testing/testApp';

const MIB = 1024 ** 2;

/** A window whose API has these values, with the panel open. */
async function open(values: Partial<FakeApi>, language = 'en-US') {
  const all = await testApp({ api: Object.assign(new FakeApi(), values), language });
  render(Window, { app: all.app });
  const user = userEvent.setup();
  await user.click(await screen.findByTestId('model-status'));
  return { ...all, user };
}

const panel = () => screen.getByTestId('machine');

test('it shows the models with their placement, the devices, and the memory by part', async () => {
  await open({
    models: [
      modelItem('chats', { roles: ['chat'] }),
      modelItem('completes', { roles: ['completion'], state: 'asleep' }),
      modelItem('another', { roles: [], state: 'available' }),
    ],
    devices: [
      { name: 'Vulkan0', description: 'A fine GPU', gpu: true, memory_bytes: 8192 * MIB, free_bytes: 7168 * MIB },
      { name: 'CPU', description: 'A processor', gpu: false, memory_bytes: 16_384 * MIB, free_bytes: 2048 * MIB },
    ],
    memory: memory({
      weights_bytes: 1024 * MIB,
      conversations_bytes: 512 * MIB,
      work_bytes: 256 * MIB,
      saved_bytes: 256 * MIB,
      saved_now_bytes: 12 * MIB,
      gpu_bytes: 700 * MIB,
    }),
  });
  const models = await screen.findAllByTestId('machine-model');
  expect(models.map((model) => model.dataset['state'])).toEqual(['ready', 'asleep']);
  expect(models[0]?.textContent).toMatch(/chats\s*Chat · Ready\s*24 of 24 layers on the processor/);
  expect(models[1]?.textContent).toContain('Completion · Unloaded');
  expect(models[1]?.textContent).not.toContain('layers');
  const devices = within(screen.getByTestId('machine-devices')).getAllByRole('listitem');
  expect(devices.map((device) => device.textContent)).toEqual([
    expect.stringMatching(/A fine GPU Vulkan0\s*7.0 GiB of 8.0 GiB free/),
    expect.stringMatching(/A processor CPU\s*2.0 GiB of 16.0 GiB free/),
  ]);
  expect(screen.getByTestId('memory-used').textContent).toBe('2.0 GiB of 8.0 GiB');
  expect(screen.getByTestId('memory-gpu').textContent).toContain('700 MiB');
  const parts = within(panel()).getAllByRole('definition').map((part) => part.textContent);
  expect(parts).toEqual(['1.0 GiB', '512 MiB', '256 MiB', '12 MiB now, at most256 MiB']);
  const bar = [...screen.getByTestId('memory-bar').children].map((part) => [part.getAttribute('x'), part.getAttribute('width')]);
  expect(bar).toEqual([['0', '0.125'], ['0.125', '0.0625'], ['0.1875', '0.03125'], ['0.21875', '0.03125']]);
});

test('it opens by keyboard, and while it is open Escape is its own', async () => {
  const { app, api, user } = await open({ models: [modelItem('one')] });
  await screen.findByTestId('machine-model');
  await user.click(screen.getByTestId('close-machine'));
  await waitFor(() => expect(screen.queryByTestId('machine')).toBeNull());
  screen.getByTestId('model-status').focus();
  await user.keyboard('{Enter}');
  expect(screen.getByTestId('model-status').getAttribute('aria-expanded')).toBe('true');
  expect(panel().getAttribute('aria-labelledby')).toBe(within(panel()).getByRole('heading', { level: 2 }).id);
  // A browser closes the dialog on Escape; the answer goes on.
  const stream = api.stream().start().explanation('a');
  void app.conversations.thread.ask('question', 'python');
  await waitFor(() => expect(screen.getByTestId('answer').dataset['state']).toBe('streaming'));
  await user.keyboard('{Escape}');
  expect(stream.cancelled).toBe(false);
});

test('without a model it says what to do', async () => {
  await open({ model: { state: 'absent' }, models: [] });
  expect((await screen.findByTestId('machine-empty')).textContent).toContain('GGUF');
  expect(screen.getByTestId('memory-used').textContent).toBe('0 MiB of 8.0 GiB');
  expect(within(panel()).queryAllByRole('definition')).toEqual([]);
});

test('a loading model is polled until it is ready, and a failed one shows its error', async () => {
  const { api } = await open({ models: [modelItem('one', { state: 'loading', progress: 0.42 })] });
  expect((await screen.findByTestId('machine-model')).textContent).toContain('Loading model 42%');
  api.models = [modelItem('one', { state: 'failed', message: 'it ends 3 MB early' })];
  await waitFor(() => expect(screen.getByTestId('machine-model').textContent).toContain('it ends 3 MB early'));
});

test('it shows a failed poll, and polls again', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
  const api = new FakeApi();
  const broken = { now: true };
  const fetch = api.fetch;
  Object.assign(api, {
    fetch: (...asked: Parameters<typeof fetch>) =>
      broken.now && new Request(...asked).url.endsWith('/models') ? Promise.resolve(refusal(500, 'INTERNAL_SERVER_ERROR')) : fetch(...asked),
  });
  api.models = [modelItem('one')];
  const { app } = await testApp({ api, language: 'ko-KR' });
  render(Window, { app });
  (await screen.findByTestId('model-status')).click();
  await waitFor(() => expect(within(panel()).getByRole('alert').textContent).toContain('불러오지 못했습니다'));
  broken.now = false;
  await vi.advanceTimersByTimeAsync(5000);
  await waitFor(() => expect(screen.getByTestId('machine-model').textContent).toContain('대화 · 자동 완성 · 준비됨'));
  expect(within(panel()).queryByRole('alert')).toBeNull();
  vi.useRealTimers();
});

test('polling stops when it is closed', async () => {
  const { api, user } = await open({ models: [modelItem('one')] });
  await screen.findByTestId('machine-model');
  await user.click(screen.getByTestId('close-machine'));
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const asked = api.requests.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(api.requests).toHaveLength(asked);
  vi.useRealTimers();
});

test('it waits for a sidecar that is starting', async () => {
  const { host, app, api } = await testApp({ status: { state: 'starting' }, language: 'en-US' });
  app.hardware.startPolling();
  expect(app.hardware.assigned).toBeUndefined();
  api.models = [modelItem('one')];
  host.report(ready());
  await vi.waitFor(() => expect(app.hardware.assigned).toHaveLength(1));
  app.hardware.stopPolling();
});

test('the models are polled once, also with several pollers', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { app, api } = await testApp({ language: 'en-US' });
  api.models = [modelItem('one')];
  app.models.startPolling();
  app.hardware.startPolling();
  await vi.advanceTimersByTimeAsync(4000);
  const asked = () => api.requests.filter(({ path }) => path === '/api/v1/models').length;
  expect(app.hardware.assigned).toHaveLength(1);
  expect(asked()).toBe(2);
  app.hardware.stopPolling();
  app.hardware.stopPolling();
  await vi.advanceTimersByTimeAsync(4000);
  expect(asked()).toBe(3);
  app.models.stopPolling();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked()).toBe(3);
  vi.useRealTimers();
});
