// What the user has written and the API does not have yet: the words, what is to be done, and the files. It survives a restart.
import { merge, readAttachment, type Attachment, type Rejected } from '../lib/attachments';
import { isOffered, DEFAULT_PRESET, type Preset } from '../lib/presets';
import type { RequestOptions, QuestionInput } from '../lib/questionInput';

/** Names in the storage, after what they all begin with. */
const TEXT_KEY = 'draft';
const PRESET_KEY = 'draft.preset';
const FILES_KEY = 'draft.files';
const UNSENT_KEY = 'unsent';

/** What is in the composer, and a copy of each question that is still on its way. */
export class Draft {
  readonly #storage: Storage;
  readonly #prefix: string;
  readonly #unsent = new Map<object, readonly QuestionInput[]>();
  readonly #onchange: () => void;
  #text = $state('');
  #preset = $state<Preset>(DEFAULT_PRESET);
  #files = $state.raw<readonly Attachment[]>([]);
  /** Files that were brought last and could not be taken. */
  rejected = $state.raw<readonly Rejected[]>([]);

  /**
   * Questions that a window which is gone never got through come back into the composer. `onchange` is told of every change; names in
   * `storage` begin with `prefix`.
   */
  constructor(storage: Storage, onchange: () => void = () => undefined, prefix = 'hapa.') {
    this.#storage = storage;
    this.#onchange = onchange;
    this.#prefix = prefix;
    const lost = parseList(this.#stored(UNSENT_KEY)).flatMap(parseQuestion);
    const kept = this.#stored(PRESET_KEY) ?? '';
    this.text = [...lost.map(({ question }) => question), this.#stored(TEXT_KEY) ?? ''].filter((text) => text.trim() !== '').join('\n\n');
    this.preset = isOffered(kept) && kept !== DEFAULT_PRESET ? kept : (lost.at(-1)?.preset ?? DEFAULT_PRESET);
    this.#setFiles(merge([], [...lost.flatMap(({ files }) => files), ...parseList(this.#stored(FILES_KEY)).flatMap(parseFile)]).files);
    storage.removeItem(prefix + UNSENT_KEY);
  }

  get text(): string {
    return this.#text;
  }

  set text(text: string) {
    this.#text = text;
    this.#storage.setItem(this.#prefix + TEXT_KEY, text);
    this.#onchange();
  }

  /** What is to be done. */
  get preset(): Preset {
    return this.#preset;
  }

  set preset(preset: Preset) {
    this.#preset = preset;
    this.#storage.setItem(this.#prefix + PRESET_KEY, preset);
    this.#onchange();
  }

  /** Files that are to go with the question. */
  get files(): readonly Attachment[] {
    return this.#files;
  }

  /** Takes files in, as far as they fit, and says of the others why not. */
  attach(more: readonly Attachment[], unreadable: readonly Rejected[] = []): void {
    const { files, refused } = merge(this.#files, more);
    this.rejected = [...unreadable, ...refused];
    this.#setFiles(files);
  }

  /** Reads files that were brought, and takes them in; what else was brought is `refused` already. */
  async addFiles(files: readonly File[], refused: readonly Rejected[] = []): Promise<void> {
    const all = await Promise.all(files.map(readAttachment));
    this.attach(all.filter((one) => 'content' in one), [...refused, ...all.filter((one) => 'reason' in one)]);
  }

  /** Puts a file out again. */
  detach(file: Attachment): void {
    this.rejected = [];
    this.#setFiles(this.#files.filter((one) => one !== file));
  }

  /** Gives out what is written, and is empty. */
  submit(): QuestionInput {
    const { text, preset, files } = this;
    this.text = '';
    this.preset = DEFAULT_PRESET;
    this.rejected = [];
    this.#setFiles([]);
    return { question: text.trim(), preset, files };
  }

  /** Puts a question that was not sent back into the composer, before what is there. */
  restore(question: string, options?: RequestOptions): void {
    this.text = [question, this.text].filter((text) => text.trim() !== '').join('\n\n');
    if (!options) return;
    if (this.preset === DEFAULT_PRESET) this.preset = options.preset;
    this.#setFiles(merge(options.files, this.#files).files);
  }

  /** Notes the questions of `thread` that are not accepted yet. */
  setUnsent(thread: object, questions: readonly QuestionInput[]): void {
    if (questions.length > 0) this.#unsent.set(thread, questions);
    else this.#unsent.delete(thread);
    this.#persist(UNSENT_KEY, [...this.#unsent.values()].flat());
  }

  #setFiles(files: readonly Attachment[]): void {
    this.#files = files;
    this.#persist(FILES_KEY, files);
    this.#onchange();
  }

  #stored(name: string): string | null {
    return this.#storage.getItem(this.#prefix + name);
  }

  /** What is too much for the storage is not kept; the words are, which have a place of their own. */
  #persist(name: string, list: readonly unknown[]): void {
    try {
      if (list.length > 0) this.#storage.setItem(this.#prefix + name, JSON.stringify(list));
      else this.#storage.removeItem(this.#prefix + name);
    } catch {
      this.#storage.removeItem(this.#prefix + name);
    }
  }
}

/** A JSON list; an empty one where it is something else. */
function parseList(json: string | null): unknown[] {
  try {
    const list: unknown = JSON.parse(json ?? '[]');
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}

/** A question that was on its way; earlier windows kept its words alone. */
function parseQuestion(item: unknown): QuestionInput[] {
  if (typeof item === 'string') return [{ question: item, preset: DEFAULT_PRESET, files: [] }];
  if (typeof item !== 'object' || item === null) return [];
  const { question, preset, files } = item as Record<string, unknown>;
  if (typeof question !== 'string') return [];
  const known = typeof preset === 'string' && isOffered(preset) ? preset : DEFAULT_PRESET;
  return [{ question, preset: known, files: Array.isArray(files) ? files.flatMap(parseFile) : [] }];
}

function parseFile(item: unknown): Attachment[] {
  if (typeof item !== 'object' || item === null) return [];
  const { path, content } = item as Record<string, unknown>;
  return typeof path === 'string' && typeof content === 'string' ? [{ path, content }] : [];
}
