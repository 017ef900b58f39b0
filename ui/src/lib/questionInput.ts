// The input of a question: text limit, preset and attachments.
import type { Attachment } from './attachments';
import { DEFAULT_PRESET, type Preset } from './presets';

/** The API's limit for a question, in characters. */
export const MAX_QUESTION_LENGTH = 10_000;

/** Options of a question. */
export interface RequestOptions {
  /** The task type. */
  preset: Preset;
  /** The attached files. */
  files: readonly Attachment[];
}

/** The default options. */
export const NO_OPTIONS: RequestOptions = { preset: DEFAULT_PRESET, files: [] };

/** A question with its options, before it is sent. */
export interface QuestionInput extends RequestOptions {
  question: string;
}

/** Characters of a summary. */
const SUMMARY_LENGTH = 80;

/** The first line of a question's prose, truncated; never its code. */
export function summarize(question: string): string {
  const prose = question.replace(/^[ \t]*(```|~~~)[\s\S]*?(^[ \t]*\1|(?![\s\S]))/gm, '').trim();
  const line = prose.split('\n')[0]?.trim() ?? '';
  const characters = [...line];
  return characters.length > SUMMARY_LENGTH ? `${characters.slice(0, SUMMARY_LENGTH - 1).join('')}…` : line;
}

/** Length in characters as the API counts, so that an emoji is not two. */
export function characterCount(text: string): number {
  // A text has at most as many characters as code units, so that most need no counting.
  return text.length <= MAX_QUESTION_LENGTH ? text.length : [...text].length;
}
