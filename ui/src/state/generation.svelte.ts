// An answer: pending, streaming or finished.
import type { Api, Frame, GenerateRequest, HistoryItem } from '../api/client';
import { ApiError, ApiUnreachable, StreamInterrupted } from '../api/errors';
import { attempt, toError } from '../lib/attempt';
import { MarkdownAssembler } from '../lib/markdownAssembler';
import { sleep } from '../lib/poll';
import type { ActiveModel } from './activeModel.svelte';
import { SidecarFailed, type Sidecar } from './sidecar.svelte';

export type AnswerState = 'waiting' | 'streaming' | 'done' | 'stopped' | 'interrupted' | 'failed';

/** What a pending answer waits for: the sidecar, a model download, the model, a slot in the queue, or the first token. */
export type WaitReason = 'sidecar' | 'download' | 'model' | 'queue' | 'first-token';

/** Dependencies of a generation. */
export interface GenerationDeps {
  sidecar: Pick<Sidecar, 'api'>;
  model: Pick<ActiveModel, 'waitUntilSettled' | 'waitUntilAvailable'>;
}

/** The user's feedback on an answer. */
export type Feedback = 'positive' | 'negative';

/** Timeout of storing feedback, in milliseconds. */
const FEEDBACK_TIMEOUT_MS = 10_000;

/** Attempts to send a question to an overloaded API. */
const MAX_ATTEMPTS = 6;

/** An answer. A new one is pending until started; `Generation.fromHistory` creates stored ones. */
export class Generation {
  state = $state<AnswerState>('waiting');
  waitingFor = $state<WaitReason>('first-token');
  /** The answer so far, as Markdown. */
  text = $state('');
  /** Ids of the API; undefined until it has accepted the question. */
  messageId = $state<string>();
  conversationId = $state<string>();
  model = $state('');
  backend = $state('');
  tokensPerSecond = $state<number>();
  /** Seconds from the question to the last token. */
  seconds = $state<number>();
  /** Whether the answer was truncated by its token limit. */
  truncated = $state(false);
  /** Earlier messages that were dropped from the prompt to fit the context. */
  droppedMessages = $state(0);
  /** The user's feedback. */
  feedback = $state<Feedback>();
  /** Why the last feedback was not stored. */
  feedbackError: Error | undefined;
  /** The error, if it failed. */
  error = $state.raw<Error>();

  #abort = new AbortController();
  /** Whether the API has accepted the last request: the answer, or its continuation. */
  #accepted = false;

  /** The stored answer of a history item. */
  static fromHistory(item: HistoryItem): Generation {
    const generation = new Generation();
    generation.state = stateOf(item.finish_reason ?? undefined);
    generation.text = item.response;
    generation.messageId = item.id;
    generation.conversationId = item.conversation_id;
    generation.model = item.model_used;
    generation.backend = item.backend;
    generation.tokensPerSecond = item.tokens_per_second ?? undefined;
    generation.seconds = item.duration;
    generation.truncated = item.finish_reason === 'length';
    generation.droppedMessages = item.dropped_messages;
    if (item.rating) generation.feedback = item.rating > 3 ? 'positive' : item.rating < 3 ? 'negative' : undefined;
    return generation;
  }

  /** Whether it is pending or streaming. */
  get running(): boolean {
    return this.state === 'waiting' || this.state === 'streaming';
  }

  /** Whether it ended early, so that the model can continue it. */
  get canContinue(): boolean {
    const isCut = this.truncated || this.state === 'stopped' || this.state === 'interrupted' || this.state === 'failed';
    return isCut && !this.running && this.messageId !== undefined && this.text !== '';
  }

  /**
   * Sends the request, waits for what it needs, and streams the answer to its end; existing text is continued. Never throws: see
   * `state` and `error`.
   */
  async start(backend: GenerationDeps, request: GenerateRequest, onaccepted: () => void): Promise<void> {
    if (!this.running) {
      this.state = 'waiting';
      this.error = undefined;
      this.truncated = false;
      this.#abort = new AbortController();
    }
    this.#accepted = false;
    const { signal } = this.#abort;
    try {
      for (let attempt = 1; ; attempt += 1) {
        this.waitingFor = 'sidecar';
        const api = await backend.sidecar.api(signal);
        this.waitingFor = 'first-token';
        try {
          return await this.#readStream(api, request, onaccepted, signal);
        } catch (error) {
          if (!(error instanceof ApiError) || this.#accepted) throw error;
          await this.#waitForRetry(error, attempt, api, backend, signal);
        }
      }
    } catch (error) {
      this.#endWithError(error, signal.aborted);
    }
  }

  /** Stores the user's feedback with an optional comment. `false` if that failed. */
  async rate(sidecar: GenerationDeps['sidecar'], feedback: Feedback, comment?: string): Promise<boolean> {
    if (!this.messageId) return false;
    const { messageId } = this;
    this.feedbackError = await attempt(async () => {
      const signal = AbortSignal.timeout(FEEDBACK_TIMEOUT_MS);
      const api = await sidecar.api(signal);
      await api.submitFeedback({ type: feedback, message_id: messageId, ...(comment && { comment }) }, signal);
      this.feedback = feedback;
    });
    return this.feedbackError === undefined;
  }

  /** Cancels the generation; the text so far stays. */
  stop(): void {
    this.#abort.abort(new DOMException('stopped', 'AbortError'));
  }

  /** Waits where a retry makes sense; rethrows `error` where it does not. */
  async #waitForRetry(error: ApiError, attempt: number, api: Api, backend: GenerationDeps, signal: AbortSignal): Promise<void> {
    if (error.code === 'model_loading') {
      this.waitingFor = 'model';
      const state = await backend.model.waitUntilSettled(api, signal);
      if (state === 'ready') return;
    } else if (error.code === 'model_missing') {
      this.waitingFor = 'download';
      const state = await backend.model.waitUntilAvailable(backend.sidecar, signal);
      if (state === 'ready') return;
    } else if (error.code === 'overloaded' && attempt < MAX_ATTEMPTS) {
      this.waitingFor = 'queue';
      await sleep((error.retryAfter ?? 5) * 1000, signal);
      signal.throwIfAborted();
      return;
    }
    throw error;
  }

  async #readStream(api: Api, request: GenerateRequest, onaccepted: () => void, signal: AbortSignal): Promise<void> {
    const assembler = new MarkdownAssembler(this.text);
    // At most one update per frame.
    let frame: number | undefined;
    const flush = () => {
      frame = undefined;
      this.text = assembler.text;
    };
    try {
      for await (const event of api.generateCodeStreaming(request, signal)) {
        if (event.type === 'start') {
          this.#accepted = true;
          this.#applyMetadata(event);
          onaccepted();
        } else if (event.type === 'done') {
          this.#applyMetadata(event);
          const answer = event.metadata?.['answer'];
          this.text = typeof answer === 'string' ? answer : assembler.text;
          this.state = event.metadata?.['finish_reason'] === 'cancelled' ? 'stopped' : 'done';
          return;
        } else if (event.content !== '') {
          if (event.type === 'code') assembler.code(event.content, languageOf(event));
          else assembler.explanation(event.content);
          this.state = 'streaming';
          frame ??= requestAnimationFrame(flush);
        }
      }
    } catch (error) {
      this.text = assembler.text;
      throw error;
    } finally {
      if (frame !== undefined) cancelAnimationFrame(frame);
    }
  }

  #applyMetadata({ metadata }: Frame): void {
    const string = (name: string) => (typeof metadata?.[name] === 'string' ? metadata[name] : undefined);
    const number = (name: string) => (typeof metadata?.[name] === 'number' ? metadata[name] : undefined);
    this.messageId = string('message_id') ?? this.messageId;
    this.conversationId = string('conversation_id') ?? this.conversationId;
    this.model = string('model_used') ?? this.model;
    this.backend = string('backend') ?? this.backend;
    this.tokensPerSecond = number('tokens_per_second');
    this.seconds = number('processing_time');
    this.truncated = string('finish_reason') === 'length';
    const context = metadata?.['context'] as { dropped_messages?: number } | undefined;
    this.droppedMessages = context?.dropped_messages ?? 0;
  }

  #endWithError(error: unknown, stopped: boolean): void {
    if (stopped) {
      this.state = 'stopped';
    } else if (error instanceof StreamInterrupted || (error instanceof ApiUnreachable && this.#accepted)) {
      this.state = 'interrupted';
    } else {
      this.state = 'failed';
      this.error = toError(error);
    }
  }
}

/** Whether an error means that the sidecar is down, not that the question is wrong. */
export function isSidecarDown(error: Error | undefined): boolean {
  return error instanceof ApiUnreachable || error instanceof SidecarFailed;
}

/** Without a finish reason the answer is still being generated for another client, or its window closed. */
function stateOf(finish: string | undefined): AnswerState {
  switch (finish) {
    case 'stop':
    case 'length':
      return 'done';
    case 'cancelled':
      return 'stopped';
    case 'failed':
      return 'failed';
    default:
      return 'interrupted';
  }
}

function languageOf(event: Frame): string | undefined {
  const language = event.metadata?.['language'];
  return typeof language === 'string' ? language : undefined;
}
