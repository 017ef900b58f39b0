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
    const unsent = JSON.parse(storage.getItem(UNSENT) ?? '[]') as string[];
    this.text = [...unsent, storage.getItem(TEXT) ?? ''].filter((text) => text.trim() !== '').join('\n\n');
    storage.removeItem(UNSENT);
  }

  get text(): string {
    return this.#text;
  }

  set text(text: string) {
    this.#text = text;
    this.#storage.setItem(TEXT, text);
  }

  /** Notes the questions of `thread` that are not accepted yet. */
  unsent(thread: object, questions: string[]): void {
    if (questions.length > 0) this.#unsent.set(thread, questions);
    else this.#unsent.delete(thread);
    this.#storage.setItem(UNSENT, JSON.stringify([...this.#unsent.values()].flat()));
  }
}
