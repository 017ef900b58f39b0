import { render, screen, waitFor } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { expect, test } from 'vitest';

import Window from '../../Window.svelte';
import type { UpdateStatus } from '../../host';
import { testApp } from '../../testing/testApp';

async function open(update: UpdateStatus) {
  const all = await testApp();
  await all.app.desktop.load();
  all.host.reportUpdate(update);
  all.app.view = 'settings';
  render(Window, { app: all.app });
  await screen.findByTestId('part-updates');
  return { ...all, user: userEvent.setup() };
}

const part = () => screen.getByTestId('part-updates').textContent;

test('an update is checked for, announced by a dot at the settings, and installed', async () => {
  const { host, user } = await open({ state: 'unknown' });
  expect(screen.queryByTestId('update-is-there')).toBeNull();
  await user.click(screen.getByTestId('check-for-update'));
  host.reportUpdate({ state: 'found', version: '0.5.0', notes: '<b>빨라졌습니다</b>', installable: true });
  await screen.findByTestId('update-is-there');
  expect(screen.getByTestId('open-settings').getAttribute('aria-label')).toContain('새 버전');
  expect(screen.getByTestId('update-notes').textContent, 'notes are words and nothing else').toBe('<b>빨라졌습니다</b>');
  await user.click(screen.getByTestId('install-update'));
  host.reportUpdate({ state: 'downloading', version: '0.5.0', received: 30 << 20, total: 60 << 20 });
  await waitFor(() => expect(part()).toContain('30 MiB'));
  await user.click(screen.getByTestId('cancel-update'));
  expect(host.updateCommands).toEqual(['check', 'install', 'cancel']);
});

test('a failed update shows its reason and detail', async () => {
  await open({ state: 'failed', reason: 'not_trusted', detail: 'The signature verification failed' });
  expect(part()).toContain('서명이 올바르지 않아 설치하지 않았습니다');
  expect(screen.getByTestId('update-detail').textContent).toBe('The signature verification failed');
});

test('where HAPA cannot update itself, instructions are shown', async () => {
  await open({ state: 'found', version: '0.5.0', notes: null, installable: false });
  expect(part()).toContain('패키지 관리자');
  expect(screen.queryByTestId('install-update')).toBeNull();
});

test('nothing is checked once updates are off', async () => {
  const { host, user } = await open({ state: 'unknown' });
  await user.selectOptions(screen.getByTestId('setting-updates'), 'off');
  await waitFor(() => expect(screen.queryByTestId('check-for-update')).toBeNull());
  expect(host.preferences.updates).toBe('off');
  expect(part()).toContain('확인하지 않습니다');
});

test('a build from source offers no updates', async () => {
  await open({ state: 'unannounced' });
  expect(part()).toContain('소스에서 빌드한');
  expect(screen.queryByTestId('setting-updates')).toBeNull();
});
