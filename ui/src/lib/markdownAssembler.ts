// Assembles a streamed answer into Markdown.

/** Longer than any fence that code plausibly contains. */
const FENCE = '``````';

/** Takes pieces in document order: explanation is Markdown already, code is put into fences. */
export class MarkdownAssembler {
  #text: string;
  #inCode: boolean;

  /** `initial` is the answer so far. */
  constructor(initial = '') {
    this.#text = initial;
    this.#inCode = endsInOpenFence(initial);
  }

  /** The answer so far. A code block that is still being streamed has no closing fence. */
  get text(): string {
    return this.#text;
  }

  /** Appends a piece of explanation. */
  explanation(piece: string): void {
    this.#text += this.#inCode ? this.#close() + piece.replace(/^\n+/, '') : piece;
  }

  /** Appends a piece of code; `language` comes with the first piece of each block. */
  code(piece: string, language?: string): void {
    if (language === undefined && this.#inCode) {
      this.#text += piece;
      return;
    }
    const before = this.#inCode ? this.#close() : this.#text === '' ? '' : '\n\n';
    // The blank line that separates two blocks is not part of the code.
    this.#text += `${before}${FENCE}${language ?? ''}\n${piece.replace(/^\n\n/, '')}`;
    this.#inCode = true;
  }

  #close(): string {
    this.#inCode = false;
    return `${this.#text.endsWith('\n') ? '' : '\n'}${FENCE}\n\n`;
  }
}

/** Whether a fence is open at the end of `text`. */
function endsInOpenFence(text: string): boolean {
  let fence = '';
  for (const [, marks = '', rest = ''] of text.matchAll(/^ {0,3}(`{3,}|~{3,})(.*)$/gm)) {
    if (fence === '') fence = marks;
    else if (marks.startsWith(fence) && rest.trim() === '') fence = '';
  }
  return fence !== '';
}
