import { render, screen, waitFor } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { expect, test } from 'vitest';

import Window from '../Window.svelte';
import { FakeApi } from '../testing/fakeApi';
import { conversation, historyItem, validation } from '../testing/items';
import { testApp } from '../testing/testApp';

async function open(values: Partial<FakeApi> = {}, language = 'en-US') {
  const all = await testApp({ api: Object.assign(new FakeApi(), values), language });
  render(Window, { app: all.app });
  return { ...all, user: userEvent.setup() };
}

const THREADS = {
  a: [
    historyItem('m1', { question: 'Sort a list', response: 'Use sorted(list).', conversation_id: 'a' }),
    historyItem('m2', { question: 'Read a file', response: 'Use open().', conversation_id: 'a', rating: 5, language: 'rust' }),
  ],
  b: [historyItem('m3', { question: 'Why is <b>this</b> slow?', response: 'It is a list.', conversation_id: 'b', rating: 1 })],
};

test('the history lists all questions, finds them by text, and opens their conversation', async () => {
  const { user } = await open({ threads: THREADS, items: [conversation('a'), conversation('b')] });
  await user.click(screen.getByTestId('open-history'));
  expect(document.activeElement).toBe(screen.getByTestId('history-search'));
  await waitFor(() => expect(screen.getAllByTestId('history-item')).toHaveLength(3));
  expect(screen.getByTestId('history-count').textContent).toContain('3 results');
  expect(screen.getAllByTestId('history-item')[2]?.textContent).toContain('<b>this</b>');

  await user.type(screen.getByTestId('history-search'), 'file');
  await waitFor(() => expect(screen.getAllByTestId('history-item')).toHaveLength(1));
  expect(screen.getByTestId('history-item').querySelector('mark')?.textContent).toBe('file');
  await user.click(screen.getByTestId('history-item'));
  await waitFor(() => expect(document.querySelector<HTMLElement>('section.highlighted')?.dataset['message']).toBe('m2'));
  expect(screen.getAllByTestId('answer')).toHaveLength(2);
});

test('the history is filtered by language, time and feedback, and says when nothing matches', async () => {
  const { api, user } = await open({ threads: THREADS });
  await user.keyboard('{Control>}[KeyH]{/Control}');
  await waitFor(() => expect(screen.getAllByTestId('history-item')).toHaveLength(3));
  await user.selectOptions(screen.getByTestId('history-language'), 'rust');
  await user.selectOptions(screen.getByTestId('history-span'), 'week');
  await user.selectOptions(screen.getByTestId('history-opinion'), 'negative');
  await waitFor(() => expect(api.historyQueries.at(-1)).toMatchObject({ language: 'rust', opinion: 'negative', limit: '30', offset: '0' }));
  const from = new Date(api.historyQueries.at(-1)?.['from'] ?? '').getTime();
  expect(Math.abs(Date.now() - 7 * 86_400_000 - from)).toBeLessThan(60_000);
  await user.type(screen.getByTestId('history-search'), 'nowhere');
  await waitFor(() => expect(screen.getByTestId('history-count').textContent).toContain('No results.'));
});

test('feedback is stored with an optional comment, and shown again', async () => {
  const { api, user } = await open({ threads: THREADS, items: [conversation('a'), conversation('b')] });
  await user.click(await screen.findByTitle('b'));
  const bad = await screen.findByTestId('opinion-negative');
  expect(bad.getAttribute('aria-pressed')).toBe('true');
  await user.click(screen.getByTestId('opinion-positive'));
  await user.type(await screen.findByTestId('opinion-comment'), 'clear{Enter}');
  await waitFor(() => expect(screen.queryByTestId('opinion-comment')).toBeNull());
  expect(screen.getByTestId('opinion-positive').getAttribute('aria-pressed')).toBe('true');
  const feedback = api.requests.filter(({ path }) => path.endsWith('submit-feedback')).map(({ body }) => body);
  expect(feedback).toEqual([
    { type: 'positive', message_id: 'm3' },
    { type: 'positive', message_id: 'm3', comment: 'clear' },
  ]);
});

test('a code block is checked in place', async () => {
  const finding = { code: 'S307', line: 2, column: 5, end_line: 2, end_column: 9, message: 'eval is risky', severity: 'error', source_line: '' } as const;
  const fix = { applicability: 'safe' as const, edits: [], message: 'use literal_eval' };
  const code = '```python\nx = input()\neval(x)\n```';
  const { api, user } = await open({
    threads: { a: [historyItem('m1', { response: code, conversation_id: 'a' })] },
    items: [conversation('a')],
    validation: validation({ code_quality_score: 6.5, security_issues: [{ ...finding, fix }] }),
  });
  await user.click(await screen.findByTitle('a'));
  await user.click(await screen.findByTestId('check-code'));
  await waitFor(() => expect(screen.getByTestId('code-findings').dataset['state']).toBe('done'));
  expect(screen.getByTestId('code-findings').textContent).toMatch(/1 problem\s*6.5 out of 10\s*2:5\s*Error\s*eval is risky S307\s*Fix: use literal_eval/);
  expect(screen.getByTestId('code-block').querySelectorAll('.line.error')).toHaveLength(1);
  expect(api.requests.find(({ path }) => path.endsWith('validate-code'))?.body).toMatchObject({ code: 'x = input()\neval(x)\n', language: 'python' });
});
