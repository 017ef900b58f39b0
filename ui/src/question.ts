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

/** Length in characters, as the API counts: an emoji is not two. */
export function lengthOf(text: string): number {
  // Twice as many code units are needed at most, so most texts need not be walked through.
  return text.length <= LIMIT ? text.length : [...text].length;
}
