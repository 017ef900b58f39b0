// A quick question: asked, answered, copied, and out of the way again.
import type { Token, Tokens } from 'marked';

import { copy } from '../lib/clipboard';
import { parse } from '../lib/markdown';
import type { App } from './app.svelte';
import type { Message } from './thread.svelte';

/** How long it is said what came of copying, in milliseconds. */
const SAID = 2500;

/** The quick window's state, over that of the house. */
export class Quick {
  readonly #app: App;
  /** What came of copying, for a while. */
  copied = $state<'copied' | 'failed'>();
  /** Whether the answer goes on in the main window as soon as it is written. */
  leaving = $state(false);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(app: App) {
    this.#app = app;
  }

  /** The question that was asked last, with its answer. */
  get message(): Message | undefined {
    return this.#app.conversations.thread.messages.at(-1);
  }

  /** Whether what is in the field is the question that was asked. */
  get isAsked(): boolean {
    return this.message !== undefined && this.#app.draft.text.trim() === this.message.question;
  }

  /** What would be copied: the code of the answer, or all of it where there is none. */
  get copyable(): string {
    const { answer } = this.message ?? {};
    return answer === undefined || answer.running ? '' : codeIn(answer.text) || answer.text;
  }

  /** Enter: asks what is in the field, and copies the answer where that was asked already. */
  async enter(): Promise<void> {
    const { draft, conversations, preferences } = this.#app;
    const question = draft.text.trim();
    if (question === '') return;
    if (this.isAsked && (this.message?.answer.running || this.copyable)) return this.copy();
    conversations.thread.stop();
    this.copied = undefined;
    this.leaving = false;
    conversations.startNew();
    await conversations.thread.ask(question, preferences.codeLanguage);
    if (this.leaving && this.message?.question === question) await this.leave();
  }

  /** Copies the answer, and says so. */
  async copy(): Promise<void> {
    if (!this.copyable) return;
    this.copied = (await copy(this.copyable)) ? 'copied' : 'failed';
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.copied = undefined), SAID);
  }

  /** Goes on in the main window: with the conversation once it is written, or with the question that was not asked yet. */
  async leave(): Promise<void> {
    const { host, draft, conversations } = this.#app;
    if (this.isAsked && this.message?.answer.running) {
      this.leaving = true;
      return;
    }
    this.leaving = false;
    const { id } = conversations.thread;
    const what = this.isAsked && id !== undefined ? { conversation: id } : { question: draft.text };
    draft.text = '';
    conversations.startNew();
    await host.openInWindow(what);
  }

  /** Hides the window. What is being written goes on, and is told of. */
  async hide(): Promise<void> {
    await this.#app.host.hideQuick();
  }
}

/** All blocks of code in a text, one after the other. */
function codeIn(text: string): string {
  const isCode = (token: Token): token is Tokens.Code => token.type === 'code';
  return parse(text).filter(isCode).map((block) => block.text).join('\n\n');
}
