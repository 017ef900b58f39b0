// What the API takes as a question.

/** Characters of the longest question. */
export const LIMIT = 10_000;

/** Length in characters, as the API counts: an emoji is not two. */
export function lengthOf(text: string): number {
  // Twice as many code units are needed at most, so most texts need not be walked through.
  return text.length <= LIMIT ? text.length : [...text].length;
}
