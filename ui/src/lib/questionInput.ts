// What the API takes as a question, and what goes with it.
import type { Attachment } from './attachments';
import { DEFAULT_PRESET, type Preset } from './presets';

/** Characters of the longest question. */
export const MAX_QUESTION_LENGTH = 10_000;

/** What goes with the words of a question. */
export interface RequestOptions {
  /** What is to be done. */
  preset: Preset;
  /** Files that it is about. */
  files: readonly Attachment[];
}

/** Nothing but the words. */
export const NO_OPTIONS: RequestOptions = { preset: DEFAULT_PRESET, files: [] };

/** A question as it is written or on its way. */
export interface QuestionInput extends RequestOptions {
  question: string;
}

/** Characters of a question's beginning, where there is no room for all of it. */
const SUMMARY_LENGTH = 80;

/** How a question begins: its first line of words, and never the code in it. */
export function summarize(question: string): string {
  const words = question.replace(/^[ \t]*(```|~~~)[\s\S]*?(^[ \t]*\1|(?![\s\S]))/gm, '').trim();
  const line = words.split('\n')[0]?.trim() ?? '';
  const characters = [...line];
  return characters.length > SUMMARY_LENGTH ? `${characters.slice(0, SUMMARY_LENGTH - 1).join('')}…` : line;
}

/** Length in characters, as the API counts: an emoji is not two. */
export function characterCount(text: string): number {
  // Twice as many code units are needed at most, so most texts need not be walked through.
  return text.length <= MAX_QUESTION_LENGTH ? text.length : [...text].length;
}
