// Export of a conversation: Markdown for reading, JSON for importing again.
import type { components } from '../api/schema';

type HistoryItem = components['schemas']['HistoryItem'];
type ConversationItem = components['schemas']['ConversationItem'];

/** The formats of an exported conversation. */
export type ExportFormat = 'markdown' | 'json';

/** The export's file name: the title without characters that file systems reject. */
export function exportFileName({ title }: ConversationItem, format: ExportFormat): string {
  const plain = title.replace(/[\p{Cc}\p{Cf}\\/:*?"<>|]+/gu, ' ').replace(/\s+/g, ' ').trim();
  // Truncated between characters, and without the leading and trailing dots that Windows drops.
  const name = [...plain].slice(0, 60).join('').replace(/^[. ]+|[. ]+$/g, '');
  return `${name || 'hapa'}.${format === 'markdown' ? 'md' : 'json'}`;
}

/** A thread as Markdown. */
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

/** Code in a fence that is longer than any in it. */
function fenced(code: string, language: string): string {
  const longestRun = Math.max(2, ...[...code.matchAll(/`+/g)].map(([marks]) => marks.length));
  const fence = '`'.repeat(longestRun + 1);
  return `${fence}${language}\n${code.replace(/\n$/, '')}\n${fence}`;
}

function line(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
