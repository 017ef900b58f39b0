// The first start: nobody can answer yet, and nothing was ever asked.
import type { Conversations } from './conversations.svelte';
import type { ActiveModel } from './activeModel.svelte';

const STORAGE_KEY = 'hapa.begun';

/** Whether the window has to introduce itself. */
export class FirstRun {
  readonly #storage: Storage;
  readonly #activeModel: Pick<ActiveModel, 'state'>;
  readonly #conversations: Pick<Conversations, 'items' | 'unsent'>;
  #state = $state<'unknown' | 'first' | 'over'>('unknown');

  constructor(storage: Storage, model: Pick<ActiveModel, 'state'>, conversations: Pick<Conversations, 'items' | 'unsent'>) {
    this.#storage = storage;
    this.#activeModel = model;
    this.#conversations = conversations;
    if (storage.getItem(STORAGE_KEY)) this.#state = 'over';
  }

  /** `unknown` until it is clear; a first start is over with the first question, and not yet when a model comes. */
  get state(): 'unknown' | 'first' | 'over' {
    const isAsked = (this.#conversations.items ?? []).length > 0 || this.#conversations.unsent.length > 0;
    return isAsked ? 'over' : this.#state;
  }

  /** Looks how it is, once the API has told what it could. Whoever has begun once never begins again. */
  refresh(): void {
    const { items } = this.#conversations;
    if (this.#state !== 'unknown') {
      if (items && items.length > 0) this.#storage.setItem(STORAGE_KEY, 'yes');
    } else if (this.#activeModel.state === 'absent' && items?.length === 0) {
      this.#state = 'first';
    } else {
      this.#state = 'over';
      if (items && this.#activeModel.state !== 'unknown') this.#storage.setItem(STORAGE_KEY, 'yes');
    }
  }
}
