import { render, screen, waitFor } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';

import Quick from './Quick.svelte';
import { testApp } from './testing/testApp';

async function open() {
  const all = await testApp();
  render(Quick, { app: all.app });
  return { ...all, user: userEvent.setup() };
}

const field = () => screen.getByTestId<HTMLTextAreaElement>('quick-question');

test('the field has the focus, Enter asks, and the window makes room for the answer', async () => {
  const { api, host, user } = await open();
  expect(document.activeElement).toBe(field());
  expect(host.quickExpanded).toBe(false);
  const writeText = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue();
  const stream = api.stream().start();
  await user.keyboard('하나{Shift>}{Enter}{/Shift}둘{Enter}');
  expect(api.questions[0]).toMatchObject({ user_question: '하나\n둘' });
  await waitFor(() => expect(host.quickExpanded).toBe(true));
  stream.explanation('이렇게:').code('x = 1\n', 'python');
  await waitFor(() => expect(screen.getByTestId('quick-answer').textContent).toContain('x = 1'));
  stream.done({ answer: '이렇게:\n\n```python\nx = 1\n```' });
  await waitFor(() => expect(screen.getByTestId('quick-answer').dataset['state']).toBe('done'));
  await user.keyboard('{Enter}');
  expect(writeText).toHaveBeenCalledWith('x = 1');
  await waitFor(() => expect(screen.getByTestId('quick-said').textContent).toContain('복사했습니다'));
});

test('Escape hides the window and keeps what was typed, which is focused when it is back', async () => {
  const { app, host, user } = await open();
  await user.keyboard('아직{Escape}');
  expect(host.quickHidden).toBe(1);
  field().blur();
  host.showQuick();
  expect(document.activeElement).toBe(field());
  expect([field().value, app.draft.text]).toEqual(['아직', '아직']);
});

test('a question that was asked is selected when the window is back, so that the next one takes its place', async () => {
  const { api, host, user } = await open();
  api.stream().start().done({ answer: '답' });
  await user.keyboard('질문{Enter}');
  await waitFor(() => expect(screen.getByTestId('quick-answer').dataset['state']).toBe('done'));
  host.showQuick();
  expect([field().selectionStart, field().selectionEnd]).toEqual([0, 2]);
});

test('Enter that ends a syllable submits nothing, and Ctrl+Enter continues in the main window', async () => {
  const { api, host, user } = await open();
  await user.keyboard('질문');
  field().dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }));
  expect(api.questions).toEqual([]);
  await user.keyboard('{Control>}{Enter}{/Control}');
  expect(host.openRequests).toEqual([{ question: '질문' }]);
});

test('a preference of another window applies here too', async () => {
  await open();
  localStorage.setItem('hapa.language', 'en');
  localStorage.setItem('hapa.theme', 'dark');
  window.dispatchEvent(new StorageEvent('storage', { key: 'hapa.theme' }));
  await waitFor(() => expect(document.documentElement.dataset['theme']).toBe('dark'));
  expect(field().placeholder).toBe('Ask a coding question');
});
