import { render, screen, waitFor } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { expect, test } from 'vitest';

import Window from '../../Window.svelte';
import { testApp } from '../../testing/testApp';

async function open(prepare: (host: Awaited<ReturnType<typeof testApp>>['host']) => void = () => undefined) {
  const all = await testApp();
  prepare(all.host);
  await all.app.desktop.load();
  all.app.view = 'settings';
  render(Window, { app: all.app });
  await screen.findByTestId('part-desktop');
  return { ...all, user: userEvent.setup() };
}

const outcome = () => screen.getByTestId('outcome-desktop').textContent;

test('a changed preference takes effect at once', async () => {
  const { host, user } = await open();
  await user.click(screen.getByTestId('setting-background'));
  await user.click(screen.getByTestId('setting-notifications'));
  await user.click(screen.getByTestId('setting-login'));
  await waitFor(() => expect(host.atLogin).toBe(true));
  expect(host.preferences).toEqual({ background: true, notifications: false, shortcut: 'Ctrl+Shift+Space', updates: 'stable' });
  await waitFor(() => expect(outcome()).toBe('저장했습니다'));
  await user.click(await screen.findByTestId('open-folder'));
  expect(host.foldersOpened).toBe(1);
});

test('a global shortcut is recorded, cancelled by Escape, and removed', async () => {
  const { host, user } = await open();
  const keys = screen.getByTestId('setting-keys');
  expect(keys.textContent).toMatch(/Ctrl\s*Shift\s*Space/);
  await user.click(keys);
  expect(keys.textContent).toContain('키를 누르세요');
  await user.keyboard('{Escape}');
  expect(keys.textContent).toContain('Space');
  await user.click(keys);
  await user.keyboard('{Control>}{Alt>}[KeyJ]{/Alt}{/Control}');
  await waitFor(() => expect(host.preferences.shortcut).toBe('Ctrl+Alt+J'));
  await user.click(await screen.findByTestId('no-keys'));
  await waitFor(() => expect(host.preferences.shortcut).toBeNull());
  await waitFor(() => expect(keys.textContent).toContain('없음'));
});

test('a shortcut that another program has is rejected with a message', async () => {
  const { host, user } = await open((host) => (host.updateDesktopPreferences = () => host.desktopPreferences()));
  await user.click(screen.getByTestId('setting-keys'));
  await user.keyboard('{Control>}[KeyJ]{/Control}');
  await waitFor(() => expect(outcome()).toContain('다른 프로그램'));
  expect(host.preferences.shortcut).toBe('Ctrl+Shift+Space');
});

test('without a tray HAPA cannot stay there, and a desktop that does not do what it is asked says so', async () => {
  const { user } = await open((host) => {
    host.currentCapabilities = { tray: false, shortcut: 'unavailable' };
    host.openDataFolder = () => Promise.reject(new Error('no file manager'));
  });
  expect(screen.getByTestId<HTMLInputElement>('setting-background').disabled).toBe(true);
  expect(screen.getByTestId<HTMLButtonElement>('setting-keys').disabled).toBe(true);
  await user.click(await screen.findByTestId('open-folder'));
  expect((await screen.findByTestId('folder-failed')).textContent).toBe('작업을 완료하지 못했습니다');
});

test('in a plain browser there is no desktop to choose for', async () => {
  const all = await testApp();
  all.host.isDesktop = false;
  all.app.view = 'settings';
  render(Window, { app: all.app });
  await screen.findByTestId('part-window');
  expect(screen.queryByTestId('part-desktop')).toBeNull();
});
