import { expect, test, vi } from 'vitest';

import { browserHost } from '../host/browser';
import { testApp, ready } from '../testing/testApp';

test('each new sidecar is asked once for its model and its conversations', async () => {
  const { api, host } = await testApp();
  const asked = (path: string) => api.requests.filter((request) => request.path === path).length;
  await vi.waitFor(() => expect(asked('/health/detailed')).toBe(1));
  host.report(ready());
  host.report({ state: 'restarting', restarts: 1, retry_in_ms: 0, reason: 'crashed', log: [] });
  host.report(ready(1));
  await vi.waitFor(() => expect(asked('/health/detailed')).toBe(2));
  expect(asked('/api/v1/conversations')).toBe(2);
});

test('a recovered sidecar is announced, one that never crashed is not', async () => {
  const { host, app } = await testApp();
  expect(app.sidecar.recovered).toBe(false);
  host.report(ready());
  expect(app.sidecar.recovered).toBe(false);
  host.report({ state: 'restarting', restarts: 1, retry_in_ms: 0, reason: 'crashed', log: [] });
  host.report(ready(1));
  expect(app.sidecar.recovered).toBe(true);
});

test('a report that arrives before the first status is newer', async () => {
  const { host, app } = await testApp({ status: { state: 'starting' } });
  let answer: (() => void) | undefined;
  host.sidecarStatus = () => new Promise((resolve) => (answer = () => resolve({ state: 'starting' })));
  const following = app.start();
  await vi.waitFor(() => expect(answer).toBeDefined());
  host.report(ready());
  answer?.();
  await following;
  expect(app.sidecar.status.state).toBe('ready');
});

test('a plain browser finds the API in its URL fragment', async () => {
  const page = { reload: () => undefined };
  const status = await browserHost(page, '#base=http://127.0.0.1:8000/&key=hapa_0123').sidecarStatus();
  expect(status).toMatchObject({ state: 'ready', base_url: 'http://127.0.0.1:8000', key: 'hapa_0123' });
  expect(await browserHost(page, '').sidecarStatus()).toMatchObject({ state: 'failed' });
});
