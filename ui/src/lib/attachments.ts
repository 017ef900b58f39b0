// Files that go with a question: what can, how much of it, and what a file is that somebody brings.

/** A file, or a part of one, as the model is to read it. */
export interface Attachment {
  /** Its name, or a path. */
  path: string;
  content: string;
}

/** Why a file cannot go with a question. */
export type RejectReason = 'binary' | 'large' | 'many' | 'folder' | 'empty' | 'unreadable';

/** A file that stays behind. */
export interface Rejected {
  name: string;
  reason: RejectReason;
}

/** So many files go with a question, and so many characters of them together. */
export const MAX_FILES = 20;
export const MAX_CHARACTERS = 100_000;

/** A file of more bytes is not even read: no encoding makes so few characters of them. */
const MAX_BYTES = MAX_CHARACTERS * 4;

/** Adds `more` to `files`: what has the name of one takes its place, and what does not fit is refused. */
export function merge(files: readonly Attachment[], more: readonly Attachment[]): { files: readonly Attachment[]; refused: Rejected[] } {
  const refused: Rejected[] = [];
  let together = files;
  for (const file of more) {
    const others = together.filter(({ path }) => path !== file.path);
    const room = MAX_CHARACTERS - others.reduce((sum, { content }) => sum + content.length, 0);
    if (file.content.trim() === '') refused.push({ name: file.path, reason: 'empty' });
    else if (others.length >= MAX_FILES) refused.push({ name: file.path, reason: 'many' });
    else if (file.content.length > room) refused.push({ name: file.path, reason: 'large' });
    else together = others.length < together.length ? together.map((old) => (old.path === file.path ? file : old)) : [...together, file];
  }
  return { files: together, refused };
}

/** What a file says, or why it cannot be read. */
export async function readAttachment(file: File): Promise<Attachment | Rejected> {
  const { name } = file;
  if (file.size > MAX_BYTES) return { name, reason: 'large' };
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    // A folder has bytes only where the system says so.
    return { name, reason: file.type === '' && file.size % 4096 === 0 ? 'folder' : 'unreadable' };
  }
  const content = decodeText(bytes);
  return content === undefined ? { name, reason: 'binary' } : { path: name, content };
}

/** What `bytes` say if they are text: Unicode, or Korean as Windows used to write it. */
export function decodeText(bytes: Uint8Array): string | undefined {
  const wide = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : undefined;
  if (!wide && bytes.some((byte) => byte < 9 || (byte > 13 && byte < 32 && byte !== 27))) return undefined;
  for (const encoding of wide ? [wide] : ['utf-8', 'euc-kr']) {
    try {
      return new TextDecoder(encoding, { fatal: true }).decode(bytes).replaceAll('\r\n', '\n');
    } catch {
      // Not this one.
    }
  }
  return undefined;
}

/** A name that none of `files` has: `name`, with a number before its ending from the second on. */
export function uniqueName(files: readonly Attachment[], name: string): string {
  const dot = name.lastIndexOf('.');
  const [stem, ending] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  for (let number = 1; ; number += 1) {
    const free = number === 1 ? name : `${stem} ${number}${ending}`;
    if (!files.some(({ path }) => path === free)) return free;
  }
}
