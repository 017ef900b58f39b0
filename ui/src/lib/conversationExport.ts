// A conversation as a file: Markdown for reading, JSON for taking in again.
import type { components } from '../api/schema';

type HistoryItem = components['schemas']['HistoryItem'];
type ConversationItem = components['schemas']['ConversationItem'];

/** The forms that a conversation can be saved in. */
export type ExportFormat = 'markdown' | 'json';

/** What the file is called: the title, without what a file's name cannot have. */
export function exportFileName({ title }: ConversationItem, form: ExportFormat): string {
  const plain = title.replace(/[\p{Cc}\p{Cf}\\/:*?"<>|]+/gu, ' ').replace(/\s+/g, ' ').trim();
  // Cut between characters, and without the dots that Windows drops.
  const name = [...plain].slice(0, 60).join('').replace(/^[. ]+|[. ]+$/g, '');
  return `${name || 'hapa'}.${form === 'markdown' ? 'md' : 'json'}`;
}

/** A thread for reading. */
export function toMarkdown({ title }: ConversationItem, thread: readonly HistoryItem[]): string {
  return [`# ${line(title)}\n`, ...thread.map(messageToMarkdown)].join('\n');
}

function messageToMarkdown({ question, response, timestamp, files, code_context, language, model_used }: HistoryItem): string {
  const parts = [
    `## ${timestamp}`,
    question.split('\n').map((line) => `> ${line}`.trimEnd()).join('\n'),
    ...files.map(({ path, content }) => `\`${line(path).replaceAll('`', '')}\`\n\n${fenced(content, '')}`),
    ...(code_context ? [fenced(code_context, language)] : []),
    response.trimEnd(),
    `*${line(model_used)}*`,
  ];
  return `${parts.filter((part) => part !== '' && part !== '**').join('\n\n')}\n`;
}

/** Code between fences that are longer than any in it. */
function fenced(code: string, language: string): string {
  const longest = Math.max(2, ...[...code.matchAll(/`+/g)].map(([marks]) => marks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${code.replace(/\n$/, '')}\n${fence}`;
}

function line(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
