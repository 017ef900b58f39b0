// The draft: question text, preset and attachments that are not sent yet. It survives a restart.
import { merge, readAttachment, type Attachment, type Rejected } from '../lib/attachments';
import { isOffered, DEFAULT_PRESET, type Preset } from '../lib/presets';
import type { RequestOptions, QuestionInput } from '../lib/questionInput';

/** Storage keys, after the prefix. */
const TEXT_KEY = 'draft';
const PRESET_KEY = 'draft.preset';
const FILES_KEY = 'draft.files';
const UNSENT_KEY = 'unsent';

/** The content of the composer, and a copy of each question that is not accepted yet. */
export class Draft {
  readonly #storage: Storage;
  readonly #prefix: string;
  readonly #unsent = new Map<object, readonly QuestionInput[]>();
  readonly #onchange: () => void;
  #text = $state('');
  #preset = $state<Preset>(DEFAULT_PRESET);
  #files = $state.raw<readonly Attachment[]>([]);
  /** Files of the last attempt that were rejected. */
  rejected = $state.raw<readonly Rejected[]>([]);

  /**
   * Unsent questions of a closed window are restored into the composer. `onchange` is called on every change; keys in `storage` start
   * with `prefix`.
   */
  constructor(storage: Storage, onchange: () => void = () => undefined, prefix = 'hapa.') {
    this.#storage = storage;
    this.#onchange = onchange;
    this.#prefix = prefix;
    const recovered = parseList(this.#stored(UNSENT_KEY)).flatMap(parseQuestion);
    const storedPreset = this.#stored(PRESET_KEY) ?? '';
    this.text = [...recovered.map(({ question }) => question), this.#stored(TEXT_KEY) ?? ''].filter((text) => text.trim() !== '').join('\n\n');
    this.preset = isOffered(storedPreset) && storedPreset !== DEFAULT_PRESET ? storedPreset : (recovered.at(-1)?.preset ?? DEFAULT_PRESET);
    this.#setFiles(merge([], [...recovered.flatMap(({ files }) => files), ...parseList(this.#stored(FILES_KEY)).flatMap(parseFile)]).files);
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

  /** The preset. */
  get preset(): Preset {
    return this.#preset;
  }

  set preset(preset: Preset) {
    this.#preset = preset;
    this.#storage.setItem(this.#prefix + PRESET_KEY, preset);
    this.#onchange();
  }

  /** The attached files. */
  get files(): readonly Attachment[] {
    return this.#files;
  }

  /** Attaches files within the limits; `rejected` lists the others. */
  attach(more: readonly Attachment[], unreadable: readonly Rejected[] = []): void {
    const { files, rejected } = merge(this.#files, more);
    this.rejected = [...unreadable, ...rejected];
    this.#setFiles(files);
  }

  /** Reads and attaches files; `rejected` are those that were rejected before. */
  async addFiles(files: readonly File[], rejected: readonly Rejected[] = []): Promise<void> {
    const results = await Promise.all(files.map(readAttachment));
    this.attach(results.filter((one) => 'content' in one), [...rejected, ...results.filter((one) => 'reason' in one)]);
  }

  /** Removes a file. */
  detach(file: Attachment): void {
    this.rejected = [];
    this.#setFiles(this.#files.filter((one) => one !== file));
  }

  /** Returns the draft and clears it. */
  submit(): QuestionInput {
    const { text, preset, files } = this;
    this.text = '';
    this.preset = DEFAULT_PRESET;
    this.rejected = [];
    this.#setFiles([]);
    return { question: text.trim(), preset, files };
  }

  /** Puts an unsent question back into the composer, before the current text. */
  restore(question: string, options?: RequestOptions): void {
    this.text = [question, this.text].filter((text) => text.trim() !== '').join('\n\n');
    if (!options) return;
    if (this.preset === DEFAULT_PRESET) this.preset = options.preset;
    this.#setFiles(merge(options.files, this.#files).files);
  }

  /** Stores the questions of `thread` that are not accepted yet. */
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

  /** A list over the storage quota is not stored; the text is, under its own key. */
  #persist(name: string, list: readonly unknown[]): void {
    try {
      if (list.length > 0) this.#storage.setItem(this.#prefix + name, JSON.stringify(list));
      else this.#storage.removeItem(this.#prefix + name);
    } catch {
      this.#storage.removeItem(this.#prefix + name);
    }
  }
}

/** Parses a JSON list; empty if it is something else. */
function parseList(json: string | null): unknown[] {
  try {
    const list: unknown = JSON.parse(json ?? '[]');
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}

/** Parses an unsent question; earlier versions stored its text only. */
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
