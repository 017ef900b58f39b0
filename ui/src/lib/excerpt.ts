// Search excerpts: a line of text around the first match, with all matches marked.

/** A part of an excerpt. */
export interface Piece {
  text: string;
  isMatch: boolean;
}

/** Characters shown before the first match. */
const LEAD_CHARACTERS = 40;

/** The ranges in `text` that match one of the words, ignoring case; adjacent ranges are merged. */
function findMatches(text: string, words: readonly string[]): [number, number][] {
  // Lower case may be longer, as of `İ`: then no match is marked rather than a wrong range.
  const lower = text.toLowerCase();
  if (lower.length !== text.length) return [];
  const matches: [number, number][] = [];
  for (const word of words) {
    for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, at + word.length)) matches.push([at, at + word.length]);
  }
  matches.sort(([a], [b]) => a - b);
  const merged: [number, number][] = [];
  for (const [start, end] of matches) {
    const last = merged.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged;
}

/** The terms of a search. */
export function searchTerms(search: string): string[] {
  return search.toLowerCase().split(/\s+/).filter((word) => word !== '');
}

/** A fence of a code block, which is nothing to read. */
const FENCE = /^[ \t]*(`{3,}|~{3,}).*$/gm;

/** At most `length` characters of `text` on one line, starting a little before the first match. */
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
