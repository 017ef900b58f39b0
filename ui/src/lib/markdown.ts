// Incremental Markdown parsing into tokens. No HTML is generated from model output.
import { Lexer, type Token } from 'marked';

export type { MarkedToken, Token, Tokens } from 'marked';

/** Parses the blocks of `text`, whitespace included. Settled blocks of `before` are reused if `text` continues them. */
export function parse(text: string, previous: readonly Token[] = []): readonly Token[] {
  // The last block may still grow or become another one, and so may a list followed by whitespace.
  const settled = previous.slice(0, Math.max(0, previous.findLastIndex((block) => block.type !== 'space')));
  const start = settled.map((block) => block.raw).join('');
  const normalized = text.replaceAll('\r\n', '\n');
  const reused = start !== '' && normalized.startsWith(start) ? settled : [];
  const rest = reused.length > 0 ? normalized.slice(start.length) : normalized;
  return [...reused, ...new Lexer({ gfm: true }).lex(rest)];
}

/** A parser that reuses the blocks of its previous call while the text grows. */
export function incrementalParser(): (text: string, growing: boolean) => readonly Token[] {
  let previous: readonly Token[] = [];
  return (text, growing) => (previous = parse(text, growing ? previous : []));
}

/** The address of a link if it is safe to show: web or mail, no script. */
export function safeLink(href: string): string | undefined {
  return /^(https?:\/\/|mailto:)/i.test(href) && URL.canParse(href) ? href : undefined;
}

/** Decodes common HTML entities. */
export function decodeEntities(text: string): string {
  return text.replace(/&(?:(amp|lt|gt|quot|apos|nbsp)|#(\d{1,7})|#x([\da-f]{1,6}));/gi, (all, name?: string, decimal?: string, hex?: string) => {
    if (name) return ENTITIES[name.toLowerCase()] ?? all;
    const code = decimal ? Number.parseInt(decimal, 10) : Number.parseInt(hex ?? '', 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : all;
  });
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };
