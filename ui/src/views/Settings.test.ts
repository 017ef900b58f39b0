import { render, screen, waitFor, within } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';

import Window from '../Window.svelte';
import { FakeApi } from '../testing/fakeApi';
import { keyItem, logLine } from '../testing/items';
import { refusal } from '../testing/router';
import { testApp, ready } from '../testing/testApp';

async function open(values: Partial<FakeApi> = {}, language = 'en-US') {
  const all = await testApp({ api: Object.assign(new FakeApi(), values), language });
  render(Window, { app: all.app });
  const user = userEvent.setup();
  await user.click(await screen.findByTestId('open-settings'));
  await screen.findByTestId('part-models');
  return { ...all, user };
}

const bodies = (api: FakeApi, method: string, path: string) =>
  api.requests.filter((request) => request.method === method && request.path === path).map(({ body }) => body);

test('a setting is saved on blur, confirmed, and an empty one is automatic', async () => {
  const { api, user } = await open();
  const field = screen.getByTestId<HTMLInputElement>('setting-memory_budget_mb');
  expect(field.value).toBe('');
  await user.type(field, '4096{Enter}');
  await waitFor(() => expect(screen.getByTestId('outcome-models').textContent).toBe('Saved'));
  await user.clear(field);
  await user.tab();
  await waitFor(() => expect(bodies(api, 'PATCH', '/api/v1/settings')).toEqual([{ memory_budget_mb: 4096 }, { memory_budget_mb: null }]));
  await user.click(screen.getByTestId('setting-rate_limit_enabled'));
  await waitFor(() => expect(screen.getByTestId('outcome-limits').textContent).toBe('Saved'));
  await user.selectOptions(screen.getByTestId('remote-policy'), 'local_then_remote');
  await waitFor(() => expect(screen.getByTestId('part-remote').textContent).toContain('may be sent to the server'));
});

test('a rejected change shows its error, and a setting fixed by the environment is disabled', async () => {
  const { api, user } = await open({ refusals: [refusal(422, 'VALIDATION_ERROR')], fromEnvironment: { rate_limit: 'DEFAULT_RATE_LIMIT' } });
  expect(screen.getByTestId<HTMLInputElement>('setting-rate_limit').disabled).toBe(true);
  expect(screen.getByTestId('part-limits').textContent).toContain('Set by the environment variable DEFAULT_RATE_LIMIT');
  await user.type(screen.getByTestId('setting-memory_budget_mb'), '1{Enter}');
  await waitFor(() => expect(screen.getByTestId('outcome-models').textContent).toContain('refused: VALIDATION_ERROR'));
  expect(api.settings.memory_budget_mb).toBeNull();
});

test('every field of the profile can be chosen', async () => {
  const { api, user } = await open();
  await user.selectOptions(screen.getByTestId('profile-pythonSkillLevel'), 'beginner');
  await waitFor(() => expect(api.profile.pythonSkillLevel).toBe('beginner'));
  await user.click(within(screen.getByTestId('part-profile')).getByLabelText('Dataclasses'));
  await waitFor(() => expect(api.profile.preferredLanguageFeatures).toEqual(['type_hints', 'dataclasses']));
  expect(screen.getByTestId('outcome-profile').textContent).toBe('Saved');
});

test('an API key is created, shown once with snippets, and revoked after confirmation', async () => {
  const { api, user } = await open({ keys: [keyItem('i', { kind: 'installation', name: '', expires_at: null })] });
  expect(screen.queryByTestId('revoke-key')).toBeNull();
  await user.type(screen.getByTestId('key-name'), 'Editor{Enter}');
  const made = await screen.findByTestId('made-key');
  expect(made.textContent).toContain('hapa_secret');
  expect(made.textContent).toContain('apiKey: hapa_secret');
  expect(bodies(api, 'POST', '/api/v1/keys')[0]).toMatchObject({ name: 'Editor', expires_in_days: 90 });
  await user.click(within(made).getByText('Close'));
  expect(document.body.textContent).not.toContain('hapa_secret');
  await user.click(screen.getByTestId('revoke-key'));
  await user.click(screen.getByTestId('confirm'));
  await waitFor(() => expect(api.keys.map(({ id }) => id)).toEqual(['i']));
});

test('language and theme change at once', async () => {
  const { user } = await open();
  await user.selectOptions(screen.getByTestId('setting-language'), 'ko');
  expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('설정');
  await user.selectOptions(screen.getByTestId('setting-theme'), 'dark');
  expect(document.documentElement.dataset['theme']).toBe('dark');
});

test('another port takes effect after a restart, which is offered', async () => {
  const { api, host, user } = await open({ restartRequired: [] });
  expect(screen.getByTestId('part-server').textContent).toContain('http://127.0.0.1:8000');
  expect(screen.queryByTestId('restart-required')).toBeNull();
  api.restartRequired = ['port'];
  await user.type(screen.getByTestId('setting-port'), '8123{Enter}');
  await screen.findByTestId('restart-required');
  expect(bodies(api, 'PATCH', '/api/v1/settings')).toEqual([{ port: 8123 }]);
  await user.click(screen.getByTestId('restart-now'));
  expect(host.restarted).toBe(1);
  api.restartRequired = [];
  host.report(ready(1));
  await waitFor(() => expect(screen.queryByTestId('restart-required')).toBeNull());
});

test('the data folder shows its disk usage, and opens on a desktop', async () => {
  const parts = [{ name: 'models', bytes: 2 * 1024 ** 3 }];
  const stored = { status: 'success', folder: '/home/me/hapa', parts, free_bytes: 50 * 1024 ** 3 };
  const { host, user } = await open({ stored });
  await waitFor(() => expect(screen.getByTestId('part-data').textContent).toMatch(/\/home\/me\/hapa.*Models2.0 GiB.*Free disk space50.0 GiB/s));
  await user.click(screen.getByTestId('open-folder'));
  expect(host.foldersOpened).toBe(1);
});

test('the history is exported and imported, and another kind of file is rejected', async () => {
  const { api, host, user } = await open();
  await user.click(screen.getByTestId('export-history-markdown'));
  await waitFor(() => expect(host.saved).toEqual([{ name: 'hapa-history.md', content: '{"format":"markdown"}' }]));
  expect(screen.getByTestId('outcome-data').textContent).toBe('Saved');
  host.declinesSave = true;
  await user.click(screen.getByTestId('export-history-json'));
  await waitFor(() => expect(screen.getByTestId('outcome-data').textContent).toBe(''));
  host.saveFile = () => Promise.reject(new Error('read-only'));
  await user.click(screen.getByTestId('export-history-json'));
  await waitFor(() => expect(screen.getByTestId('outcome-data').textContent).toContain('The file could not be saved'));

  await user.upload(screen.getByTestId('import-history-file'), new File(['[1, 2'], 'x.json', { type: 'application/json' }));
  await waitFor(() => expect(screen.getByTestId('outcome-data').textContent).toContain('not a JSON file exported by HAPA'));
  expect(api.importedHistories).toEqual([]);
  await user.upload(screen.getByTestId('import-history-file'), new File(['{"format":"hapa","messages":[]}'], 'x.json', { type: 'application/json' }));
  await waitFor(() => expect(screen.getByTestId('imported').textContent).toMatch(/took it in\s*Message 3: no question/));
  expect(api.importedHistories).toEqual([{ format: 'hapa', messages: [] }]);
});

test('log lines show their fields, are filtered, and copied', async () => {
  const log = [logLine(1), logLine(2, { level: 'WARN', message: 'slow', fields: { duration_ms: 900 } })];
  const { user } = await open({ log });
  const writeText = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue();
  await user.click(screen.getByTestId('settings-logs'));
  await waitFor(() => expect(screen.getAllByTestId('log-line')).toHaveLength(2));
  expect(screen.getAllByTestId('log-line')[1]?.textContent).toMatch(/warn\s*slow\s*source\s*sidecar::http\s*duration_ms\s*900/);
  await user.click(screen.getByTestId('copy-logs'));
  expect(writeText.mock.lastCall?.[0].split('\n')).toHaveLength(2);
  await user.selectOptions(screen.getByTestId('logs-level'), 'warn');
  await waitFor(() => expect(screen.getAllByTestId('log-line')).toHaveLength(1));
  await user.type(screen.getByTestId('logs-search'), 'nothing like it');
  await screen.findByTestId('logs-empty');
});

test('the diagnosis lists problems with fixes, and is copied as text', async () => {
  const diagnosis = {
    status: 'degraded' as const,
    issues: { critical: 0, errors: 0, warnings: 1 },
    findings: [
      { id: 'disk', severity: 'warning' as const, message: 'little room', help: 'delete models' },
      { id: 'port', severity: 'ok' as const, message: 'free', help: null },
    ],
  };
  const { api, user } = await open({ diagnosis });
  const writeText = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue();
  await user.click(screen.getByTestId('settings-doctor'));
  await waitFor(() => expect(screen.getByTestId('doctor-verdict').dataset['tone']).toBe('warn'));
  expect(screen.getByTestId('doctor-troubles').textContent).toMatch(/Warning · disk\s*little room\s*Fix: delete models/);
  expect(screen.getByTestId('doctor').textContent).toContain('1 check passed');
  await user.click(screen.getByTestId('copy-diagnosis'));
  expect(writeText).toHaveBeenCalledWith('degraded\n[warning] disk: little room\n    delete models\n[ok] port: free');
  api.refusals = [refusal(500, 'INTERNAL_SERVER_ERROR')];
  await user.click(screen.getByTestId('run-doctor'));
  expect((await screen.findByTestId('doctor-failed')).textContent).toContain('refused: INTERNAL_SERVER_ERROR');
});
