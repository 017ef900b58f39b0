// Attachments of a question: limits, reading, and merging.

/** A file, or a part of one, that is sent with a question. */
export interface Attachment {
  /** Its name or path. */
  path: string;
  content: string;
}

/** Why a file is rejected. */
export type RejectReason = 'binary' | 'large' | 'many' | 'folder' | 'empty' | 'unreadable';

/** A rejected file. */
export interface Rejected {
  name: string;
  reason: RejectReason;
}

/** The limits of the API: number of files, and characters of all together. */
export const MAX_FILES = 20;
export const MAX_CHARACTERS = 100_000;

/** Larger files are not read: no encoding has fewer characters than a quarter of its bytes. */
const MAX_BYTES = MAX_CHARACTERS * 4;

/** Adds `more` to `files`: a file with the same path is replaced, and one over the limits is rejected. */
export function merge(files: readonly Attachment[], more: readonly Attachment[]): { files: readonly Attachment[]; rejected: Rejected[] } {
  const rejected: Rejected[] = [];
  let merged = files;
  for (const file of more) {
    const others = merged.filter(({ path }) => path !== file.path);
    const remaining = MAX_CHARACTERS - others.reduce((sum, { content }) => sum + content.length, 0);
    if (file.content.trim() === '') rejected.push({ name: file.path, reason: 'empty' });
    else if (others.length >= MAX_FILES) rejected.push({ name: file.path, reason: 'many' });
    else if (file.content.length > remaining) rejected.push({ name: file.path, reason: 'large' });
    else merged = others.length < merged.length ? merged.map((old) => (old.path === file.path ? file : old)) : [...merged, file];
  }
  return { files: merged, rejected };
}

/** Reads a file as text, or says why it is rejected. */
export async function readAttachment(file: File): Promise<Attachment | Rejected> {
  const { name } = file;
  if (file.size > MAX_BYTES) return { name, reason: 'large' };
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    // Only some systems report a folder's size.
    return { name, reason: file.type === '' && file.size % 4096 === 0 ? 'folder' : 'unreadable' };
  }
  const content = decodeText(bytes);
  return content === undefined ? { name, reason: 'binary' } : { path: name, content };
}

/** Decodes text: Unicode, or EUC-KR as older Korean Windows wrote it; undefined for binary data. */
export function decodeText(bytes: Uint8Array): string | undefined {
  const utf16 = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : undefined;
  if (!utf16 && bytes.some((byte) => byte < 9 || (byte > 13 && byte < 32 && byte !== 27))) return undefined;
  for (const encoding of utf16 ? [utf16] : ['utf-8', 'euc-kr']) {
    try {
      return new TextDecoder(encoding, { fatal: true }).decode(bytes).replaceAll('\r\n', '\n');
    } catch {
      // Not this encoding.
    }
  }
  return undefined;
}

/** A name that none of `files` has: `name`, with a number before its extension from the second on. */
export function uniqueName(files: readonly Attachment[], name: string): string {
  const dot = name.lastIndexOf('.');
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  for (let count = 1; ; count += 1) {
    const candidate = count === 1 ? name : `${stem} ${count}${extension}`;
    if (!files.some(({ path }) => path === candidate)) return candidate;
  }
}
