// What the user has written and the API does not have yet: the words, what is to be done, and the files. It survives a restart.
import { joined, read, type ContextFile, type Refused } from '../lib/files';
import { isOffered, USUAL, type Preset } from '../lib/presets';
import type { Along, Written } from '../lib/question';

/** Names in the storage, after what they all begin with. */
const TEXT = 'draft';
const PRESET = 'draft.preset';
const FILES = 'draft.files';
const UNSENT = 'unsent';

/** What is in the composer, and a copy of each question that is still on its way. */
export class Draft {
  readonly #storage: Storage;
  readonly #prefix: string;
  readonly #unsent = new Map<object, readonly Written[]>();
  readonly #onchange: () => void;
  #text = $state('');
  #preset = $state<Preset>(USUAL);
  #files = $state.raw<readonly ContextFile[]>([]);
  /** Files that were brought last and could not be taken. */
  refused = $state.raw<readonly Refused[]>([]);

  /**
   * Questions that a window which is gone never got through come back into the composer. `onchange` is told of every change; names in
   * `storage` begin with `prefix`.
   */
  constructor(storage: Storage, onchange: () => void = () => undefined, prefix = 'hapa.') {
    this.#storage = storage;
    this.#onchange = onchange;
    this.#prefix = prefix;
    const lost = listIn(this.#kept(UNSENT)).flatMap(writtenIn);
    const kept = this.#kept(PRESET) ?? '';
    this.text = [...lost.map(({ question }) => question), this.#kept(TEXT) ?? ''].filter((text) => text.trim() !== '').join('\n\n');
    this.preset = isOffered(kept) && kept !== USUAL ? kept : (lost.at(-1)?.preset ?? USUAL);
    this.#keep(joined([], [...lost.flatMap(({ files }) => files), ...listIn(this.#kept(FILES)).flatMap(fileIn)]).files);
    storage.removeItem(prefix + UNSENT);
  }

  get text(): string {
    return this.#text;
  }

  set text(text: string) {
    this.#text = text;
    this.#storage.setItem(this.#prefix + TEXT, text);
    this.#onchange();
  }

  /** What is to be done. */
  get preset(): Preset {
    return this.#preset;
  }

  set preset(preset: Preset) {
    this.#preset = preset;
    this.#storage.setItem(this.#prefix + PRESET, preset);
    this.#onchange();
  }

  /** Files that are to go with the question. */
  get files(): readonly ContextFile[] {
    return this.#files;
  }

  /** Takes files in, as far as they fit, and says of the others why not. */
  attach(more: readonly ContextFile[], unreadable: readonly Refused[] = []): void {
    const { files, refused } = joined(this.#files, more);
    this.refused = [...unreadable, ...refused];
    this.#keep(files);
  }

  /** Reads files that were brought, and takes them in; what else was brought is `refused` already. */
  async bring(files: readonly File[], refused: readonly Refused[] = []): Promise<void> {
    const all = await Promise.all(files.map(read));
    this.attach(all.filter((one) => 'content' in one), [...refused, ...all.filter((one) => 'reason' in one)]);
  }

  /** Puts a file out again. */
  detach(file: ContextFile): void {
    this.refused = [];
    this.#keep(this.#files.filter((one) => one !== file));
  }

  /** Gives out what is written, and is empty. */
  take(): Written {
    const { text, preset, files } = this;
    this.text = '';
    this.preset = USUAL;
    this.refused = [];
    this.#keep([]);
    return { question: text.trim(), preset, files };
  }

  /** Puts a question that was not sent back into the composer, before what is there. */
  takeBack(question: string, along?: Along): void {
    this.text = [question, this.text].filter((text) => text.trim() !== '').join('\n\n');
    if (!along) return;
    if (this.preset === USUAL) this.preset = along.preset;
    this.#keep(joined(along.files, this.#files).files);
  }

  /** Notes the questions of `thread` that are not accepted yet. */
  unsent(thread: object, questions: readonly Written[]): void {
    if (questions.length > 0) this.#unsent.set(thread, questions);
    else this.#unsent.delete(thread);
    this.#store(UNSENT, [...this.#unsent.values()].flat());
  }

  #keep(files: readonly ContextFile[]): void {
    this.#files = files;
    this.#store(FILES, files);
    this.#onchange();
  }

  #kept(name: string): string | null {
    return this.#storage.getItem(this.#prefix + name);
  }

  /** What is too much for the storage is not kept; the words are, which have a place of their own. */
  #store(name: string, list: readonly unknown[]): void {
    try {
      if (list.length > 0) this.#storage.setItem(this.#prefix + name, JSON.stringify(list));
      else this.#storage.removeItem(this.#prefix + name);
    } catch {
      this.#storage.removeItem(this.#prefix + name);
    }
  }
}

/** A JSON list; an empty one where it is something else. */
function listIn(json: string | null): unknown[] {
  try {
    const list: unknown = JSON.parse(json ?? '[]');
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}

/** A question that was on its way; earlier windows kept its words alone. */
function writtenIn(item: unknown): Written[] {
  if (typeof item === 'string') return [{ question: item, preset: USUAL, files: [] }];
  if (typeof item !== 'object' || item === null) return [];
  const { question, preset, files } = item as Record<string, unknown>;
  if (typeof question !== 'string') return [];
  const known = typeof preset === 'string' && isOffered(preset) ? preset : USUAL;
  return [{ question, preset: known, files: Array.isArray(files) ? files.flatMap(fileIn) : [] }];
}

function fileIn(item: unknown): ContextFile[] {
  if (typeof item !== 'object' || item === null) return [];
  const { path, content } = item as Record<string, unknown>;
  return typeof path === 'string' && typeof content === 'string' ? [{ path, content }] : [];
}
