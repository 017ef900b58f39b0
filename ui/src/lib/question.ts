// What the API takes as a question, and what goes with it.
import type { ContextFile } from './files';
import { USUAL, type Preset } from './presets';

/** Characters of the longest question. */
export const LIMIT = 10_000;

/** What goes with the words of a question. */
export interface Along {
  /** What is to be done. */
  preset: Preset;
  /** Files that it is about. */
  files: readonly ContextFile[];
}

/** Nothing but the words. */
export const ALONE: Along = { preset: USUAL, files: [] };

/** A question as it is written or on its way. */
export interface Written extends Along {
  question: string;
}

/** Characters of a question's beginning, where there is no room for all of it. */
const BEGINNING = 80;

/** How a question begins: its first line of words, and never the code in it. */
export function beginningOf(question: string): string {
  const words = question.replace(/^[ \t]*(```|~~~)[\s\S]*?(^[ \t]*\1|(?![\s\S]))/gm, '').trim();
  const line = words.split('\n')[0]?.trim() ?? '';
  const characters = [...line];
  return characters.length > BEGINNING ? `${characters.slice(0, BEGINNING - 1).join('')}…` : line;
}

/** Length in characters, as the API counts: an emoji is not two. */
export function lengthOf(text: string): number {
  // Twice as many code units are needed at most, so most texts need not be walked through.
  return text.length <= LIMIT ? text.length : [...text].length;
}
