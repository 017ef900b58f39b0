// An answer put together from the pieces of its stream, as markdown.

/** Longer than any fence that code plausibly contains. */
const FENCE = '``````';

/** Pieces in document order: explanation is markdown already, code gets its fences here. */
export class MarkdownAssembler {
  #text: string;
  #inCode: boolean;

  /** `begun` is what there is of the answer already. */
  constructor(begun = '') {
    this.#text = begun;
    this.#inCode = endsInOpenFence(begun);
  }

  /** The answer so far. A block of code that is still being written has no closing fence. */
  get text(): string {
    return this.#text;
  }

  /** Adds a piece of explanation. */
  explanation(piece: string): void {
    this.#text += this.#inCode ? this.#close() + piece.replace(/^\n+/, '') : piece;
  }

  /** Adds a piece of code; `language` is given with the first piece of each block. */
  code(piece: string, language?: string): void {
    if (language === undefined && this.#inCode) {
      this.#text += piece;
      return;
    }
    const before = this.#inCode ? this.#close() : this.#text === '' ? '' : '\n\n';
    // The blank line that sets a later block apart from the one before is not part of it.
    this.#text += `${before}${FENCE}${language ?? ''}\n${piece.replace(/^\n\n/, '')}`;
    this.#inCode = true;
  }

  #close(): string {
    this.#inCode = false;
    return `${this.#text.endsWith('\n') ? '' : '\n'}${FENCE}\n\n`;
  }
}

/** Whether a fence is open where `text` ends. */
function endsInOpenFence(text: string): boolean {
  let fence = '';
  for (const [, marks = '', rest = ''] of text.matchAll(/^ {0,3}(`{3,}|~{3,})(.*)$/gm)) {
    if (fence === '') fence = marks;
    else if (marks.startsWith(fence) && rest.trim() === '') fence = '';
  }
  return fence !== '';
}
