import { render, screen, waitFor, within } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { expect, test } from 'vitest';

import Window from '../Window.svelte';
import { FakeApi, keyItem, refusal } from '../testing/api';
import { house } from '../testing/house';

async function open(told: Partial<FakeApi> = {}, language = 'en-US') {
  const all = await house({ api: Object.assign(new FakeApi(), told), language });
  render(Window, { app: all.app });
  const user = userEvent.setup();
  await user.click(await screen.findByTestId('open-settings'));
  await screen.findByTestId('part-models');
  return { ...all, user };
}

const bodies = (api: FakeApi, method: string, path: string) =>
  api.arrived.filter((request) => request.method === method && request.path === path).map(({ body }) => body);

test('a setting is in force when it is left, says so, and empties to what HAPA does by itself', async () => {
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

test('what is refused is said beside it, and what the environment decides cannot be touched', async () => {
  const { api, user } = await open({ refusals: [refusal(422, 'VALIDATION_ERROR')], fromEnvironment: { rate_limit: 'DEFAULT_RATE_LIMIT' } });
  expect(screen.getByTestId<HTMLInputElement>('setting-rate_limit').disabled).toBe(true);
  expect(screen.getByTestId('part-limits').textContent).toContain('Set by DEFAULT_RATE_LIMIT in the environment');
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

test('a key is made, shown once with ways to use it, and revoked after a question', async () => {
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
