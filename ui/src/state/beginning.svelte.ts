// The first start: nobody can answer yet, and nothing was ever asked.
import type { Conversations } from './conversations.svelte';
import type { Model } from './model.svelte';

const KEPT = 'hapa.begun';

/** Whether the window has to introduce itself. */
export class Beginning {
  readonly #storage: Storage;
  readonly #model: Pick<Model, 'state'>;
  readonly #conversations: Pick<Conversations, 'items' | 'unsent'>;
  #state = $state<'unknown' | 'first' | 'over'>('unknown');

  constructor(storage: Storage, model: Pick<Model, 'state'>, conversations: Pick<Conversations, 'items' | 'unsent'>) {
    this.#storage = storage;
    this.#model = model;
    this.#conversations = conversations;
    if (storage.getItem(KEPT)) this.#state = 'over';
  }

  /** `unknown` until it is clear; a first start is over with the first question, and not yet when a model comes. */
  get state(): 'unknown' | 'first' | 'over' {
    const isAsked = (this.#conversations.items ?? []).length > 0 || this.#conversations.unsent.length > 0;
    return isAsked ? 'over' : this.#state;
  }

  /** Looks how it is, once the API has told what it could. Whoever has begun once never begins again. */
  look(): void {
    const { items } = this.#conversations;
    if (this.#state !== 'unknown') {
      if (items && items.length > 0) this.#storage.setItem(KEPT, 'yes');
    } else if (this.#model.state === 'absent' && items?.length === 0) {
      this.#state = 'first';
    } else {
      this.#state = 'over';
      if (items && this.#model.state !== 'unknown') this.#storage.setItem(KEPT, 'yes');
    }
  }
}
