// Markdown as a tree, parsed again only where it grows. Nothing here or after it makes HTML of a model's words.
import { Lexer, type Token } from 'marked';

export type { MarkedToken, Token, Tokens } from 'marked';

/** The blocks of `text`, empty space included. What is settled in `before` is taken from there if `text` goes on from it. */
export function parse(text: string, before: readonly Token[] = []): readonly Token[] {
  // The last block may still grow or become another one, and so may a list with space after it.
  const settled = before.slice(0, Math.max(0, before.findLastIndex((block) => block.type !== 'space')));
  const start = settled.map((block) => block.raw).join('');
  const normal = text.replaceAll('\r\n', '\n');
  const kept = start !== '' && normal.startsWith(start) ? settled : [];
  const rest = kept.length > 0 ? normal.slice(start.length) : normal;
  return [...kept, ...new Lexer({ gfm: true }).lex(rest)];
}

/** A parser that remembers what it parsed last, and goes on from there while the text grows. */
export function incrementalParser(): (text: string, growing: boolean) => readonly Token[] {
  let before: readonly Token[] = [];
  return (text, growing) => (before = parse(text, growing ? before : []));
}

/** The address of a link if it is one to show: the web or mail, nothing that runs. */
export function safeLink(href: string): string | undefined {
  return /^(https?:\/\/|mailto:)/i.test(href) && URL.canParse(href) ? href : undefined;
}

/** Text with the usual entities as the characters that they stand for. */
export function decodeEntities(text: string): string {
  return text.replace(/&(?:(amp|lt|gt|quot|apos|nbsp)|#(\d{1,7})|#x([\da-f]{1,6}));/gi, (all, name?: string, decimal?: string, hex?: string) => {
    if (name) return ENTITIES[name.toLowerCase()] ?? all;
    const code = decimal ? Number.parseInt(decimal, 10) : Number.parseInt(hex ?? '', 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : all;
  });
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };
