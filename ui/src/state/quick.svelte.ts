// A quick question: asked, answered, copied, and the window hidden again.
import type { Token, Tokens } from 'marked';

import { copy } from '../lib/clipboard';
import { parse } from '../lib/markdown';
import type { App } from './app.svelte';
import type { Message } from './thread.svelte';

/** How long the result of copying is shown, in milliseconds. */
const COPY_STATUS_MS = 2500;

/** The state of the quick window, on top of the app's. */
export class Quick {
  readonly #app: App;
  /** The result of copying, for a while. */
  copied = $state<'copied' | 'failed'>();
  /** Whether the conversation moves to the main window once the answer is finished. */
  handoverPending = $state(false);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(app: App) {
    this.#app = app;
  }

  /** The last question with its answer. */
  get message(): Message | undefined {
    return this.#app.conversations.thread.messages.at(-1);
  }

  /** Whether the field contains the question that was submitted. */
  get isSubmitted(): boolean {
    return this.message !== undefined && this.#app.draft.text.trim() === this.message.question;
  }

  /** The text to copy: the answer's code, or all of it if there is none. */
  get copyable(): string {
    const { answer } = this.message ?? {};
    return answer === undefined || answer.running ? '' : codeBlocks(answer.text) || answer.text;
  }

  /** Enter: submits the question, or copies the answer if it was submitted already. */
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

  /** Copies the answer and shows the result. */
  async copy(): Promise<void> {
    if (!this.copyable) return;
    this.copied = (await copy(this.copyable)) ? 'copied' : 'failed';
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.copied = undefined), COPY_STATUS_MS);
  }

  /** Continues in the main window: with the conversation once it is finished, or with the unsent question. */
  async openInMainWindow(): Promise<void> {
    const { host, draft, conversations } = this.#app;
    if (this.isSubmitted && this.message?.answer.running) {
      this.handoverPending = true;
      return;
    }
    this.handoverPending = false;
    const { id } = conversations.thread;
    const request = this.isSubmitted && id !== undefined ? { conversation: id } : { question: draft.text };
    draft.text = '';
    conversations.startNew();
    await host.openInMainWindow(request);
  }

  /** Hides the window. A running answer goes on and ends with a notification. */
  async hide(): Promise<void> {
    await this.#app.host.hideQuick();
  }
}

/** All code blocks of a text, joined. */
function codeBlocks(text: string): string {
  const isCode = (token: Token): token is Tokens.Code => token.type === 'code';
  return parse(text).filter(isCode).map((block) => block.text).join('\n\n');
}
