import { render, screen, waitFor, within } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';

import Window from './Window.svelte';
import { UNDO_MS } from './state/pendingDeletes.svelte';
import { conversation, historyItem } from './testing/items';
import { testApp, ready } from './testing/testApp';

async function open(given: Parameters<typeof testApp>[0] = {}) {
  const all = await testApp(given);
  render(Window, { app: all.app });
  return { ...all, user: userEvent.setup() };
}

const question = () => screen.getByTestId<HTMLTextAreaElement>('question');
const answer = () => screen.getByTestId('answer');
const state = () => answer().dataset['state'];

test('a question that is typed and sent with Enter is answered on the screen', async () => {
  const { api, user } = await open();
  const stream = api.stream();
  await user.type(question(), '리스트에서 중복 제거{Enter}');
  expect(question().value).toBe('');
  expect(screen.getByTestId('asked-question').textContent).toContain('리스트에서 중복 제거');
  expect(state()).toBe('waiting');
  stream.start().explanation('이렇게:').code('def unique(items):\n', 'python').code('    return list(dict.fromkeys(items))\n');
  await waitFor(() => expect(state()).toBe('streaming'));
  await waitFor(() => expect(answer().textContent).toContain('dict.fromkeys'));
  stream.done({ tokens_per_second: 14.23, answer: '이렇게:\n\n```python\ndef unique(items):\n    return list(dict.fromkeys(items))\n```' });
  await waitFor(() => expect(state()).toBe('done'));
  const block = within(answer()).getByTestId('code-block');
  expect(block.querySelector('code')?.textContent).toBe('def unique(items):\n    return list(dict.fromkeys(items))');
  expect(block.querySelector('.hljs-keyword')?.textContent).toBe('def');
  expect(screen.getByTestId('answer-meta').textContent).toMatch(/scripted.*이 컴퓨터.*초당 14.2토큰/);
});

test('Shift+Enter starts a line, and Enter that ends a syllable sends nothing', async () => {
  const { api, user } = await open();
  await user.type(question(), '하나{Shift>}{Enter}{/Shift}둘');
  expect(question().value).toBe('하나\n둘');
  question().dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }));
  question().dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true }));
  expect(question().value).toBe('하나\n둘');
  expect(api.questions).toEqual([]);
});

test('Escape cancels the answer, and regenerating creates a new one', async () => {
  const { api, user } = await open();
  const stream = api.stream().start({ message_id: 'm1' }).code('while True:\n', 'python');
  await user.type(question(), 'forever{Enter}');
  await waitFor(() => expect(answer().textContent).toContain('while True:'));
  expect(screen.queryByTestId('send')).toBeNull();
  await user.keyboard('{Escape}');
  await waitFor(() => expect(state()).toBe('stopped'));
  expect(stream.cancelled).toBe(true);
  expect(answer().textContent).toContain('while True:');

  api.stream().start({ message_id: 'm2' }).done({ answer: '다시' });
  await user.click(screen.getByTestId('regenerate'));
  await waitFor(() => expect(state()).toBe('done'));
  expect(api.questions[1]).toMatchObject({ user_question: 'forever', replaces: 'm1' });
});

test('a question is edited in its place', async () => {
  const { api, user } = await open();
  api.stream().start({ message_id: 'm1' }).done({ answer: '하나' });
  await user.type(question(), '첫 질문{Enter}');
  await waitFor(() => expect(state()).toBe('done'));
  await user.click(screen.getByTestId('edit-question'));
  const field = screen.getByTestId<HTMLTextAreaElement>('edited-question');
  expect(field.value).toBe('첫 질문');
  expect(document.activeElement).toBe(field);
  await user.keyboard('{Escape}');
  expect(screen.queryByTestId('edited-question')).toBeNull();

  api.stream().start({ message_id: 'm2' }).done({ answer: '둘' });
  await user.click(screen.getByTestId('edit-question'));
  await user.clear(screen.getByTestId('edited-question'));
  await user.type(screen.getByTestId('edited-question'), '고친 질문{Enter}');
  await waitFor(() => expect(answer().textContent).toContain('둘'));
  expect(screen.getAllByTestId('asked-question')).toHaveLength(1);
  expect(api.questions[1]).toMatchObject({ user_question: '고친 질문', replaces: 'm1' });
});

test('a code block is copied, and the button shows it', async () => {
  const { api, user } = await open();
  const writeText = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue();
  api.stream().start().done({ answer: '```python\nx = 1\n```' });
  await user.type(question(), '질문{Enter}');
  const button = await screen.findByTestId('copy-code');
  await user.click(button);
  expect(writeText).toHaveBeenCalledWith('x = 1');
  await waitFor(() => expect(button.textContent).toContain('복사했습니다'));
});

test('a failure shows its error and keeps the question, which can go back into the composer', async () => {
  const { api, user } = await open();
  api.stream().error('INTERNAL_SERVER_ERROR', '내부 오류가 발생했습니다');
  await user.type(question(), '내 질문{Enter}');
  await waitFor(() => expect(state()).toBe('failed'));
  expect(within(answer()).getByRole('alert').textContent).toContain('내부 오류가 발생했습니다');
  await user.click(screen.getByTestId('discard'));
  expect(question().value).toBe('내 질문');
  expect(screen.queryByTestId('answer')).toBeNull();
});

test('an answer shows how many earlier messages were dropped', async () => {
  const { api, app, user } = await open({ language: 'en-US' });
  api.stream().start().done({ answer: 'Yes.', context: { used: 9, limit: 9, dropped: ['2 earlier messages'], dropped_messages: 2 } });
  await user.type(question(), 'And now?{Enter}');
  await waitFor(() => expect(screen.getByTestId('left-out').textContent).toContain('2 earlier messages were left out'));
  app.preferences.language = 'ko';
  await waitFor(() => expect(screen.getByTestId('left-out').textContent).toContain('이전 메시지 2개를 제외하고'));
  api.stream().start({ message_id: 'm2' }).done({ answer: 'Sure.', context: { used: 9, limit: 9, dropped: [], dropped_messages: 0 } });
  await user.click(screen.getByTestId('regenerate'));
  await waitFor(() => expect(answer().textContent).toContain('Sure.'));
  expect(screen.queryByTestId('left-out')).toBeNull();
});

test('the window says that the sidecar is starting again, that it failed, and that it is back', async () => {
  const { host, user } = await open();
  host.report({ state: 'restarting', restarts: 1, retry_in_ms: 500, reason: 'crashed', log: [] });
  await waitFor(() => expect(screen.getByTestId('sidecar-banner').textContent).toContain('다시 시작하는 중입니다'));
  host.report({ state: 'failed', reason: 'port_taken', log: ['bind: address in use'] });
  await waitFor(() => expect(screen.getByTestId('sidecar-banner').textContent).toContain('포트를 다른 프로그램이'));
  expect(screen.getByTestId('sidecar-log').textContent).toContain('bind: address in use');
  await user.click(screen.getByTestId('restart-sidecar'));
  expect(host.restarted).toBe(1);
  host.report(ready(1));
  await waitFor(() => expect(screen.getByTestId('sidecar-recovered').textContent).toContain('다시 시작되었습니다'));
  expect(screen.queryByTestId('sidecar-banner')).toBeNull();
});

test('the model is named when it is ready, and its absence says what to do', async () => {
  const { api, host } = await open();
  await waitFor(() => expect(screen.getByTestId('model-status').textContent).toMatch(/scripted\s*CPU \(test\)/));
  api.model = { state: 'absent' };
  host.report(ready(1));
  await waitFor(() => expect(screen.getByTestId('model-notice').textContent).toContain('GGUF'));
  expect(screen.getByTestId('model-status').dataset['state']).toBe('absent');
});

test('without a local model, the remote server is named, used, and shown beside its answers', async () => {
  const { api, host, user } = await open();
  await waitFor(() => expect(screen.getByTestId('privacy').textContent).toContain('외부로 전송되지 않습니다'));
  for (const policy of ['remote', 'local_then_remote'] as const) {
    api.model = { state: 'absent' };
    api.remote = { policy, state: 'up', model: 'far-away', endpoint: 'https://models.example/v1' };
    host.report(ready(policy.length));
    await waitFor(() => expect(screen.getByTestId('model-status').textContent).toMatch(/far-away\s*원격 서버/));
    await waitFor(() => expect(screen.getByTestId('privacy').textContent).toContain('해당 서버로 전송될 수 있습니다'));
    expect(screen.queryByTestId('model-notice')).toBeNull();
  }
  api.stream().start({ model_used: 'far-away', backend: 'remote' }).explanation('답').done({ answer: '답' });
  await user.type(question(), '질문{Enter}');
  await waitFor(() => expect(state()).toBe('done'));
  expect(screen.getByTestId('answer-meta').dataset['backend']).toBe('remote');
  expect(screen.getByTestId('answer-meta').textContent).toMatch(/far-away.*원격 서버/);
});

test('a remote server that is down says so, and changed settings apply on focus', async () => {
  const { api } = await open();
  await waitFor(() => expect(screen.getByTestId('model-status').dataset['remote']).toBe('false'));
  api.remote = { policy: 'remote', state: 'down', message: '연결할 수 없습니다' };
  window.dispatchEvent(new Event('focus'));
  await waitFor(() => expect(screen.getByTestId('remote-notice').textContent).toContain('연결할 수 없습니다'));
  expect(screen.getByTestId('model-status').dataset['state']).toBe('failed');
  api.remote = { policy: 'local_only', state: 'off' };
  window.dispatchEvent(new Event('focus'));
  await waitFor(() => expect(screen.queryByTestId('remote-notice')).toBeNull());
});

test('conversations are opened, started and deleted from the list', async () => {
  const { api, app, user } = await open();
  api.items = [conversation('a', '첫 대화'), conversation('b', '둘째 대화')];
  api.threads['a'] = [historyItem('m1', { question: '예전 질문', response: '예전 답' })];
  await app.conversations.refresh();
  await user.click(await screen.findByText('첫 대화'));
  await waitFor(() => expect(answer().textContent).toContain('예전 답'));
  expect(document.activeElement).toBe(question());

  await user.keyboard('{Control>}[KeyN]{/Control}');
  await waitFor(() => expect(screen.queryByTestId('answer')).toBeNull());

  await user.click(screen.getByRole('button', { name: '‘둘째 대화’ 대화 삭제' }));
  await waitFor(() => expect(screen.queryByTitle('둘째 대화')).toBeNull());
  expect(screen.getByTitle('첫 대화')).toBe(document.activeElement);
  await user.click(screen.getByTestId('undo'));
  expect(screen.getByTitle('둘째 대화')).toBeDefined();
  expect(api.deleted).toEqual([]);
});

test('several deleted conversations are taken back by one notice, which holds nothing any more once it is gone', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
  const { api, app, user } = await open();
  api.items = [conversation('a', '첫 대화'), conversation('b', '둘째 대화'), conversation('c', '셋째 대화')];
  await app.conversations.refresh();
  for (const title of ['첫', '둘째', '셋째']) await user.click(await screen.findByRole('button', { name: `‘${title} 대화’ 대화 삭제` }));
  const notice = screen.getByTestId('undo-notice');
  expect(notice.textContent).toMatch(/3개 삭제됨.*마지막: 셋째 대화/s);
  await user.click(screen.getByTestId('undo'));
  expect(screen.getByTitle('셋째 대화')).toBeDefined();
  expect(notice.textContent).toMatch(/2개 삭제됨.*마지막: 둘째 대화/s);
  // The pointer is over the notice.
  await vi.advanceTimersByTimeAsync(UNDO_MS * 2);
  expect(api.deleted).toEqual([]);
  await user.click(screen.getByTestId('undo-all'));
  await waitFor(() => expect(screen.queryByTestId('undo-notice')).toBeNull());
  expect(app.conversations.items).toHaveLength(3);
  app.conversations.remove('a');
  await vi.advanceTimersByTimeAsync(UNDO_MS);
  await waitFor(() => expect(api.deleted).toEqual(['a']));
  vi.useRealTimers();
});

test('a conversation is renamed and pinned from the list, also by keyboard', async () => {
  const { api, app, user } = await open();
  api.items = [conversation('a', '첫 대화'), conversation('b', '둘째 대화')];
  await app.conversations.refresh();
  (await screen.findByTitle('둘째 대화')).focus();
  await user.keyboard('{F2}');
  expect(screen.getByTestId<HTMLInputElement>('new-title').value).toBe('둘째 대화');
  await user.keyboard('바뀐 이름{Enter}');
  await waitFor(() => expect(api.items[1]?.title).toBe('바뀐 이름'));
  expect(screen.getByTitle('바뀐 이름')).toBeDefined();

  await user.click(screen.getByRole('button', { name: '‘첫 대화’ 대화 메뉴' }));
  await user.click(screen.getAllByTestId('rename-conversation')[0] as HTMLElement);
  await user.keyboard('그만{Escape}');
  expect(screen.getByTitle('첫 대화')).toBeDefined();

  await user.click(screen.getByRole('button', { name: '‘바뀐 이름’ 대화 고정' }));
  await waitFor(() => expect(api.items[1]?.pinned).toBe(true));
  expect(screen.getByText('고정됨')).toBeDefined();
});

test("the window uses the system's language until another is selected", async () => {
  const { user } = await open({ language: 'en-US' });
  expect(screen.getByTestId('send').textContent).toContain('Send');
  expect(document.documentElement.lang).toBe('en');
  await user.selectOptions(screen.getByTestId('language-switch'), 'ko');
  expect(screen.getByTestId('send').textContent).toContain('보내기');
  expect(document.documentElement.lang).toBe('ko');
  await user.selectOptions(screen.getByTestId('theme-switch'), 'dark');
  expect(document.documentElement.dataset['theme']).toBe('dark');
});

test('a question that is too long is not sent, and the window says how much too long', async () => {
  const { api, app, user } = await open();
  app.draft.text = '가'.repeat(10_001);
  await waitFor(() => expect(screen.getByText(/10,001자/)).toBeDefined());
  await user.type(question(), '{Enter}');
  expect(api.questions).toEqual([]);
  expect(question().value).toHaveLength(10_001);
});

test('keys lead through the window, are listed, and can be others', async () => {
  const { app, user } = await open({ language: 'en-US' });
  await user.keyboard('{Control>}[Slash]{/Control}');
  expect(screen.getByTestId('shortcuts').textContent).toMatch(/Open models\s*Ctrl\+M/);
  await user.click(screen.getByTestId('change-shortcuts'));
  expect(app.view).toBe('settings');

  await user.click(screen.getByTestId('keys-models'));
  await user.keyboard('{Control>}[KeyH]{/Control}');
  expect(screen.getByTestId('keys-outcome').textContent).toContain('Already used for “Open history”');
  expect(app.view).toBe('settings');
  await user.click(screen.getByTestId('keys-models'));
  await user.keyboard('{Escape}');
  expect(app.view).toBe('settings');
  await user.click(screen.getByTestId('keys-models'));
  await user.keyboard('{Control>}[KeyL]{/Control}');
  expect(screen.getByTestId('keys-models').textContent).toContain('Ctrl+L');
  await user.keyboard('{Control>}[KeyM]{/Control}');
  expect(app.view).toBe('settings');
  await user.keyboard('{Control>}[KeyL]{/Control}');
  expect(app.view).toBe('models');
  expect(screen.getByTestId('open-models').title).toBe('Ctrl+L');

  await user.keyboard('{Escape}');
  await user.type(question(), 'why?');
  expect(app.shortcutsShown).toBe(false);
  screen.getByTestId('open-models').focus();
  await user.keyboard('?');
  expect(app.shortcutsShown).toBe(true);
});
