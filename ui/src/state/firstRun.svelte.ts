// First-run detection: no model and no conversation yet.
import type { Conversations } from './conversations.svelte';
import type { ActiveModel } from './activeModel.svelte';

const STORAGE_KEY = 'hapa.begun';

/** Whether to show the first-run screen. */
export class FirstRun {
  readonly #storage: Storage;
  readonly #activeModel: Pick<ActiveModel, 'state'>;
  readonly #conversations: Pick<Conversations, 'items' | 'unsent'>;
  #state = $state<'unknown' | 'active' | 'done'>('unknown');

  constructor(storage: Storage, model: Pick<ActiveModel, 'state'>, conversations: Pick<Conversations, 'items' | 'unsent'>) {
    this.#storage = storage;
    this.#activeModel = model;
    this.#conversations = conversations;
    if (storage.getItem(STORAGE_KEY)) this.#state = 'done';
  }

  /** `unknown` until known; a first run ends with the first question, not when a model is installed. */
  get state(): 'unknown' | 'active' | 'done' {
    const hasQuestions = (this.#conversations.items ?? []).length > 0 || this.#conversations.unsent.length > 0;
    return hasQuestions ? 'done' : this.#state;
  }

  /** Updates the state once the API has responded. A first run never comes back. */
  refresh(): void {
    const { items } = this.#conversations;
    if (this.#state !== 'unknown') {
      if (items && items.length > 0) this.#storage.setItem(STORAGE_KEY, 'yes');
    } else if (this.#activeModel.state === 'absent' && items?.length === 0) {
      this.#state = 'active';
    } else {
      this.#state = 'done';
      if (items && this.#activeModel.state !== 'unknown') this.#storage.setItem(STORAGE_KEY, 'yes');
    }
  }
}
