// A quick question: asked, answered, copied, and out of the way again.
import type { Token, Tokens } from 'marked';

import { copy } from '../lib/clipboard';
import { parse } from '../lib/markdown';
import type { App } from './app.svelte';
import type { Message } from './thread.svelte';

/** How long it is said what came of copying, in milliseconds. */
const COPY_STATUS_MS = 2500;

/** The quick window's state, over that of the house. */
export class Quick {
  readonly #app: App;
  /** What came of copying, for a while. */
  copied = $state<'copied' | 'failed'>();
  /** Whether the answer goes on in the main window as soon as it is written. */
  handoverPending = $state(false);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(app: App) {
    this.#app = app;
  }

  /** The question that was asked last, with its answer. */
  get message(): Message | undefined {
    return this.#app.conversations.thread.messages.at(-1);
  }

  /** Whether what is in the field is the question that was asked. */
  get isSubmitted(): boolean {
    return this.message !== undefined && this.#app.draft.text.trim() === this.message.question;
  }

  /** What would be copied: the code of the answer, or all of it where there is none. */
  get copyable(): string {
    const { answer } = this.message ?? {};
    return answer === undefined || answer.running ? '' : codeBlocks(answer.text) || answer.text;
  }

  /** Enter: asks what is in the field, and copies the answer where that was asked already. */
  async submitOrCopy(): Promise<void> {
    const { draft, conversations, preferences } = this.#app;
    const question = draft.text.trim();
    if (question === '') return;
    if (this.isSubmitted && (this.message?.answer.running || this.copyable)) return this.copy();
    conversations.thread.stop();
    this.copied = undefined;
    this.handoverPending = false;
    conversations.startNew();
    await conversations.thread.ask(question, preferences.codeLanguage);
    if (this.handoverPending && this.message?.question === question) await this.openInMainWindow();
  }

  /** Copies the answer, and says so. */
  async copy(): Promise<void> {
    if (!this.copyable) return;
    this.copied = (await copy(this.copyable)) ? 'copied' : 'failed';
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.copied = undefined), COPY_STATUS_MS);
  }

  /** Goes on in the main window: with the conversation once it is written, or with the question that was not asked yet. */
  async openInMainWindow(): Promise<void> {
    const { host, draft, conversations } = this.#app;
    if (this.isSubmitted && this.message?.answer.running) {
      this.handoverPending = true;
      return;
    }
    this.handoverPending = false;
    const { id } = conversations.thread;
    const what = this.isSubmitted && id !== undefined ? { conversation: id } : { question: draft.text };
    draft.text = '';
    conversations.startNew();
    await host.openInMainWindow(what);
  }

  /** Hides the window. What is being written goes on, and is told of. */
  async hide(): Promise<void> {
    await this.#app.host.hideQuick();
  }
}

/** All blocks of code in a text, one after the other. */
function codeBlocks(text: string): string {
  const isCode = (token: Token): token is Tokens.Code => token.type === 'code';
  return parse(text).filter(isCode).map((block) => block.text).join('\n\n');
}
