// The first start: nobody can answer yet, and nothing was ever asked.
import type { Conversations } from './conversations.svelte';
import type { Model } from './model.svelte';

/** Whether the window has to introduce itself. */
export class Beginning {
  readonly #model: Pick<Model, 'state'>;
  readonly #conversations: Pick<Conversations, 'items' | 'unsent'>;
  #first = $state(false);

  constructor(model: Pick<Model, 'state'>, conversations: Pick<Conversations, 'items' | 'unsent'>) {
    this.#model = model;
    this.#conversations = conversations;
  }

  /** Looks whether this is a first start. It stays one when a model comes, until the first question. */
  look(): void {
    if (this.#model.state === 'absent' && this.#conversations.items?.length === 0) this.#first = true;
  }

  /** Whether this is a first start, and nothing was asked yet. */
  get shown(): boolean {
    return this.#first && this.#conversations.items?.length === 0 && this.#conversations.unsent.length === 0;
  }
}
