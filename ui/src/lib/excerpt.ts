// A few words of a long text around what was looked for, with what was found marked.

/** A piece of an excerpt. */
export interface Piece {
  text: string;
  isMatch: boolean;
}

/** Characters that are shown before the first place that was found. */
const LEAD_CHARACTERS = 40;

/** The places in `text` where one of the words is, in any case; places that touch are one. */
function findMatches(text: string, words: readonly string[]): [number, number][] {
  // Lower case may be longer than what it is of, as of `İ`: then nothing is marked rather than the wrong thing.
  const lower = text.toLowerCase();
  if (lower.length !== text.length) return [];
  const found: [number, number][] = [];
  for (const word of words) {
    for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, at + word.length)) found.push([at, at + word.length]);
  }
  found.sort(([a], [b]) => a - b);
  const joined: [number, number][] = [];
  for (const [start, end] of found) {
    const last = joined.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else joined.push([start, end]);
  }
  return joined;
}

/** The words that are looked for. */
export function searchTerms(search: string): string[] {
  return search.toLowerCase().split(/\s+/).filter((word) => word !== '');
}

/** Where a block of code begins and ends in an answer: a line that is nothing to read. */
const FENCE = /^[ \t]*(`{3,}|~{3,}).*$/gm;

/** At most `length` characters of `text` on one line, beginning a little before the first place that has one of `words`. */
export function excerpt(text: string, words: readonly string[], length: number): Piece[] {
  const line = text.replace(FENCE, '').replace(/\s+/g, ' ').trim();
  const first = findMatches(line, words)[0]?.[0] ?? 0;
  const start = first > LEAD_CHARACTERS ? line.indexOf(' ', first - LEAD_CHARACTERS) + 1 || first : 0;
  const from = Math.min(start, first);
  const shown = `${from > 0 ? '…' : ''}${line.slice(from, from + length)}${from + length < line.length ? '…' : ''}`;
  const pieces: Piece[] = [];
  let end = 0;
  for (const [start, stop] of findMatches(shown, words)) {
    if (start > end) pieces.push({ text: shown.slice(end, start), isMatch: false });
    pieces.push({ text: shown.slice(start, stop), isMatch: true });
    end = stop;
  }
  if (end < shown.length) pieces.push({ text: shown.slice(end), isMatch: false });
  return pieces;
}
