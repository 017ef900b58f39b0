import { render, screen, waitFor } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { expect, test } from 'vitest';

import Window from '../../Window.svelte';
import { App } from '../../state/app.svelte';
import { modelItem } from '../../testing/items';
import { testApp } from '../../testing/testApp';

test('missing capabilities are shown once', async () => {
  const { app, api, host } = await testApp();
  host.currentCapabilities = { tray: false, shortcut: 'taken' };
  await app.desktop.load();
  render(Window, { app });
  const notice = await screen.findByTestId('lacks');
  expect(notice.textContent).toContain('트레이가 없어');
  expect(notice.textContent).toContain('다른 프로그램에서 Ctrl+Shift+Space');
  await userEvent.setup().click(screen.getByTestId('understood'));
  await waitFor(() => expect(screen.queryByTestId('lacks')).toBeNull());
  const next = new App({ host, fetch: api.fetch, storage: localStorage, language: 'ko-KR' });
  await next.desktop.load();
  expect(next.desktop.limitations).toEqual([]);
  // A new limitation is shown.
  host.currentCapabilities = { tray: true, shortcut: 'unavailable' };
  await next.desktop.load();
  expect(next.desktop.limitations).toEqual(['shortcut']);
});

test('a paused engine says so, is shown in the tray, and is resumed here', async () => {
  const { app, api, host } = await testApp();
  api.models = [modelItem('chat')];
  render(Window, { app });
  await waitFor(() => expect(host.engineStates.at(-1)).toBe('ready'));
  expect(host.language).toBe('ko');
  api.model = { state: 'asleep' };
  host.sendEngineCommand('pause');
  await screen.findByTestId('paused');
  await waitFor(() => expect(host.engineStates.at(-1)).toBe('paused'));
  api.model = { state: 'ready', name: 'chat' };
  await userEvent.setup().click(screen.getByTestId('resume'));
  await waitFor(() => expect(screen.queryByTestId('paused')).toBeNull());
  await waitFor(() => expect(host.engineStates.at(-1)).toBe('ready'));
});
