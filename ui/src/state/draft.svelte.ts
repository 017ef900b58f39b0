// What the user has typed and the API does not have yet. It survives a reload.

const TEXT = 'hapa.draft';
const UNSENT = 'hapa.unsent';

/** The text in the composer, and a copy of each question that is still on its way. */
export class Draft {
  readonly #storage: Storage;
  readonly #unsent = new Map<object, string[]>();
  #text = $state('');

  /** Questions that a window which is gone never got through come back into the composer. */
  constructor(storage: Storage) {
    this.#storage = storage;
    this.text = [...stringsIn(storage.getItem(UNSENT)), storage.getItem(TEXT) ?? ''].filter((text) => text.trim() !== '').join('\n\n');
    storage.removeItem(UNSENT);
  }

  get text(): string {
    return this.#text;
  }

  set text(text: string) {
    this.#text = text;
    this.#storage.setItem(TEXT, text);
  }

  /** Puts a question that was not sent back into the composer, before what is there. */
  takeBack(question: string): void {
    this.text = [question, this.text].filter((text) => text.trim() !== '').join('\n\n');
  }

  /** Notes the questions of `thread` that are not accepted yet. */
  unsent(thread: object, questions: string[]): void {
    if (questions.length > 0) this.#unsent.set(thread, questions);
    else this.#unsent.delete(thread);
    this.#storage.setItem(UNSENT, JSON.stringify([...this.#unsent.values()].flat()));
  }
}

/** The strings of a JSON list; none where it is something else. */
function stringsIn(json: string | null): string[] {
  try {
    const list: unknown = JSON.parse(json ?? '[]');
    return Array.isArray(list) ? list.filter((item) => typeof item === 'string') : [];
  } catch {
    return [];
  }
}
