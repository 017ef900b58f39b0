import { expect, test, vi } from 'vitest';

import { modelItem, refusal } from '../testing/api';
import { house, ready } from '../testing/house';

test('pausing takes every model out of memory, and resuming brings them back without a choice being made', async () => {
  const { api, app, host } = await house();
  api.models = [modelItem('chat', { roles: ['chat'] }), modelItem('lines', { roles: ['completion'] }), modelItem('other', { state: 'available', roles: [] })];
  await vi.waitFor(() => expect(app.engine.state).toBe('ready'));
  api.model = { state: 'asleep', name: 'chat' };
  host.order('pause');
  await vi.waitFor(() => expect(app.engine.state).toBe('paused'));
  expect(api.orders.map(([order]) => order)).toEqual(['POST /chat/unload', 'POST /lines/unload']);

  api.model = { state: 'loading', progress: 0.5 };
  host.order('resume');
  await vi.waitFor(() => expect(app.engine.state).toBe('loading'));
  api.model = { state: 'ready', name: 'chat' };
  await vi.waitFor(() => expect(app.engine.state).toBe('ready'));
  expect(api.orders.at(-1)).toEqual(['POST /chat/load', { role: 'chat' }]);
  expect(api.settings).toMatchObject({ chat_model: null });
});

test('a model that was chosen stays the chosen one', async () => {
  const { api, app } = await house();
  api.settings = { chat_model: 'chat' };
  api.models = [modelItem('chat', { state: 'asleep' })];
  await app.engine.resume();
  expect(api.arrived.some(({ path, method }) => path === '/api/v1/settings' && method === 'PATCH')).toBe(false);
});

test('a question ends the pause, and a model that falls asleep by itself later is not paused', async () => {
  const { api, app } = await house();
  api.models = [modelItem('chat')];
  await vi.waitFor(() => expect(app.engine.state).toBe('ready'));
  api.model = { state: 'asleep' };
  await app.engine.pause();
  expect(app.engine.paused).toBe(true);
  api.answer(refusal(503, 'SERVICE_UNAVAILABLE', { reason: 'model_loading' }));
  void app.conversations.thread.ask('질문', 'python');
  await vi.waitFor(() => expect(app.engine.paused).toBe(false));
  api.model = { state: 'asleep' };
  await app.look();
  expect(app.engine.paused).toBe(false);
  app.conversations.thread.stop();
});

test('an order that cannot be followed is told of', async () => {
  const { api, app } = await house();
  api.models = [modelItem('chat')];
  api.refusals = [refusal(409, 'CONFLICT')];
  await app.engine.pause();
  expect([app.engine.failed, app.engine.paused]).toEqual([true, false]);
});

test('the engine is what the sidecar and its model are together', async () => {
  const { app, host } = await house({ status: { state: 'starting' } });
  expect(app.engine.state).toBe('starting');
  host.report({ state: 'failed', reason: 'bad_config', log: [] });
  expect(app.engine.state).toBe('failed');
  host.report(ready());
  await vi.waitFor(() => expect(app.engine.state).toBe('ready'));
});
