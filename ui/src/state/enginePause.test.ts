import { expect, test, vi } from 'vitest';

import { modelItem } from '../testing/items';
import { refusal } from '../testing/router';
import { testApp, ready } from '../testing/testApp';

test('pausing unloads every model, and resuming loads them without assigning one', async () => {
  const { api, app, host } = await testApp();
  api.models = [modelItem('chat', { roles: ['chat'] }), modelItem('lines', { roles: ['completion'] }), modelItem('other', { state: 'available', roles: [] })];
  await vi.waitFor(() => expect(app.enginePause.state).toBe('ready'));
  api.model = { state: 'asleep', name: 'chat' };
  host.sendEngineCommand('pause');
  await vi.waitFor(() => expect(app.enginePause.state).toBe('paused'));
  expect(api.modelCommands.map(([order]) => order)).toEqual(['POST /chat/unload', 'POST /lines/unload']);

  api.model = { state: 'loading', progress: 0.5 };
  host.sendEngineCommand('resume');
  await vi.waitFor(() => expect(app.enginePause.state).toBe('loading'));
  api.model = { state: 'ready', name: 'chat' };
  await vi.waitFor(() => expect(app.enginePause.state).toBe('ready'));
  expect(api.modelCommands.at(-1)).toEqual(['POST /chat/load', { role: 'chat' }]);
  expect(api.settings).toMatchObject({ chat_model: null });
});

test('an assigned model stays assigned', async () => {
  const { api, app } = await testApp();
  api.settings = { chat_model: 'chat' };
  api.models = [modelItem('chat', { state: 'asleep' })];
  await app.enginePause.resume();
  expect(api.requests.some(({ path, method }) => path === '/api/v1/settings' && method === 'PATCH')).toBe(false);
});

test('a question ends the pause, and a later idle unload is no pause', async () => {
  const { api, app } = await testApp();
  api.models = [modelItem('chat')];
  await vi.waitFor(() => expect(app.enginePause.state).toBe('ready'));
  api.model = { state: 'asleep' };
  await app.enginePause.pause();
  expect(app.enginePause.paused).toBe(true);
  api.answer(refusal(503, 'SERVICE_UNAVAILABLE', { reason: 'model_loading' }));
  void app.conversations.thread.ask('질문', 'python');
  await vi.waitFor(() => expect(app.enginePause.paused).toBe(false));
  api.model = { state: 'asleep' };
  await app.refresh();
  expect(app.enginePause.paused).toBe(false);
  app.conversations.thread.stop();
});

test('a command that fails is reported', async () => {
  const { api, app } = await testApp();
  api.models = [modelItem('chat')];
  api.refusals = [refusal(409, 'CONFLICT')];
  await app.enginePause.pause();
  expect([app.enginePause.failed, app.enginePause.paused]).toEqual([true, false]);
});

test('the engine is what the sidecar and its model are together', async () => {
  const { app, host } = await testApp({ status: { state: 'starting' } });
  expect(app.enginePause.state).toBe('starting');
  host.report({ state: 'failed', reason: 'bad_config', log: [] });
  expect(app.enginePause.state).toBe('failed');
  host.report(ready());
  await vi.waitFor(() => expect(app.enginePause.state).toBe('ready'));
});
