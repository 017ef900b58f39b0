import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';

import { testApp } from '../testing/testApp';
import { Quick } from './quick.svelte';

const ANSWER = 'So:\n\n```python\nx = 1\n```\n\nand then\n\n```python\ny = 2\n```\n';

async function open() {
  const all = await testApp();
  // Installs a clipboard.
  userEvent.setup();
  const writeText = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue();
  return { ...all, writeText, quick: new Quick(all.app) };
}

test('Enter submits the question, and copies the code once it is answered', async () => {
  const { api, app, quick, writeText } = await open();
  const stream = api.stream().start();
  app.draft.text = ' 질문 ';
  const asked = quick.submitOrCopy();
  await vi.waitFor(() => expect(quick.message?.answer.messageId).toBe('m'));
  app.draft.text = '질문';
  await quick.submitOrCopy();
  expect(writeText).not.toHaveBeenCalled();
  stream.done({ answer: ANSWER });
  await asked;
  await quick.submitOrCopy();
  expect(writeText).toHaveBeenCalledWith('x = 1\n\ny = 2');
  expect(quick.copied).toBe('copied');
  expect(api.questions).toHaveLength(1);
});

test('another question replaces the previous one, and an answer without code is copied entirely', async () => {
  const { api, app, quick, writeText } = await open();
  api.stream().start().done({ answer: '하나' });
  app.draft.text = '첫째';
  await quick.submitOrCopy();
  api.stream().start({ message_id: 'm2', conversation_id: 'c2' }).done({ answer: '둘' });
  app.draft.text = '둘째';
  await quick.submitOrCopy();
  expect(api.questions.map(({ conversation_id }) => conversation_id)).toEqual([undefined, undefined]);
  await quick.submitOrCopy();
  expect(writeText).toHaveBeenCalledWith('둘');
});

test('a running answer opens in the main window once finished, an unsent question at once', async () => {
  const { api, app, host, quick } = await open();
  const stream = api.stream().start();
  app.draft.text = '질문';
  const asked = quick.submitOrCopy();
  await vi.waitFor(() => expect(quick.message?.answer.messageId).toBe('m'));
  await quick.openInMainWindow();
  expect([quick.handoverPending, host.openRequests]).toEqual([true, []]);
  stream.done({ answer: ANSWER });
  await asked;
  expect(host.openRequests).toEqual([{ conversation: 'c' }]);
  expect([app.draft.text, quick.message]).toEqual(['', undefined]);

  app.draft.text = '아직 안 물은 것';
  await quick.openInMainWindow();
  expect(host.openRequests[1]).toEqual({ question: '아직 안 물은 것' });
});

test('the main window continues with a quick question', async () => {
  const { app, host } = await open();
  await app.start();
  app.view = 'settings';
  host.sendOpenRequest({ question: '이어서' });
  expect([app.view, app.draft.text]).toEqual(['chat', '이어서']);
});

test('a finished answer is announced by a summary of its question, a stopped one is not', async () => {
  const { api, app, host } = await open();
  api.stream().start().done({ answer: 'x' });
  await app.conversations.thread.ask('이 코드 봐줘\n```python\nsecret = 1\n```', 'python');
  expect(host.notifications).toEqual([{ title: '답변이 준비되었습니다', text: '이 코드 봐줘' }]);
  api.stream().start({ message_id: 'm2' });
  const asked = app.conversations.thread.ask('그만', 'python');
  await vi.waitFor(() => expect(app.conversations.thread.running?.accepted).toBe(true));
  app.conversations.thread.stop();
  await asked;
  api.stream().start({ message_id: 'm3' }).error();
  await app.conversations.thread.ask('고장', 'python');
  expect(host.notifications.slice(1)).toEqual([{ title: '답변을 완료하지 못했습니다', text: '고장' }]);
});
