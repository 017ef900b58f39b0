// One answer: being waited for, being written, or there.
import type { Api, Frame, GenerateRequest, HistoryItem } from '../api/client';
import { StreamInterrupted, ApiError, ApiUnreachable } from '../api/errors';
import { MarkdownAssembler } from '../lib/markdownAssembler';
import { sleep, type ActiveModel } from './activeModel.svelte';
import { SidecarFailed, type Sidecar } from './sidecar.svelte';

export type AnswerState = 'waiting' | 'streaming' | 'done' | 'stopped' | 'interrupted' | 'failed';

/** What a waiting answer waits for: the sidecar, any model at all, the model, a free place in the queue, or the first word. */
export type WaitReason = 'sidecar' | 'arrival' | 'model' | 'turn' | 'word';

/** What a generation needs of the house. */
export interface GenerationDeps {
  sidecar: Pick<Sidecar, 'api'>;
  model: Pick<ActiveModel, 'waitUntilSettled' | 'waitUntilAvailable'>;
}

/** What somebody can think of an answer. */
export type Feedback = 'positive' | 'negative';

/** How long keeping an opinion may take, in milliseconds. */
const FEEDBACK_TIMEOUT_MS = 10_000;

/** How often a question is put again to an API that has too much to do. */
const MAX_ATTEMPTS = 6;

/** An answer. A new one waits to be started; `Generation.of` makes those of earlier days. */
export class Generation {
  state = $state<AnswerState>('waiting');
  waitingFor = $state<WaitReason>('word');
  /** The answer so far, markdown. */
  text = $state('');
  /** Ids that the API gave; undefined until it has accepted the question. */
  messageId = $state<string>();
  conversationId = $state<string>();
  model = $state('');
  backend = $state('');
  tokensPerSecond = $state<number>();
  /** Seconds from the question to the last token. */
  seconds = $state<number>();
  /** Whether the answer was cut by its length limit. */
  truncated = $state(false);
  /** Earlier messages that were left out of the prompt for want of room. */
  droppedMessages = $state(0);
  /** What somebody thinks of it. */
  feedback = $state<Feedback>();
  /** What went wrong, if the answer failed. */
  error = $state.raw<Error>();

  #abort = new AbortController();
  /** Whether the API has accepted what was asked last, the answer's first part or its next. */
  #accepted = false;

  /** The answer of a message in the history. */
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

  /** Whether there is more to come. */
  get running(): boolean {
    return this.state === 'waiting' || this.state === 'streaming';
  }

  /** Whether it ended before its end, so that the model can go on with it. */
  get canContinue(): boolean {
    const isCut = this.truncated || this.state === 'stopped' || this.state === 'interrupted' || this.state === 'failed';
    return isCut && !this.running && this.messageId !== undefined && this.text !== '';
  }

  /**
   * Asks, waits for what has to be waited for, and follows the answer to its end; what is there of it already stays in front.
   * Never throws: see `state` and `error`.
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
      for (let turn = 1; ; turn += 1) {
        this.waitingFor = 'sidecar';
        const api = await backend.sidecar.api(signal);
        this.waitingFor = 'word';
        try {
          return await this.#readStream(api, request, onaccepted, signal);
        } catch (error) {
          if (!(error instanceof ApiError) || this.#accepted) throw error;
          await this.#waitForRetry(error, turn, api, backend, signal);
        }
      }
    } catch (error) {
      this.#endWithError(error, signal.aborted);
    }
  }

  /** Keeps what somebody thinks of it, if they like with words. `false` if it could not be kept. */
  async rate(sidecar: GenerationDeps['sidecar'], opinion: Feedback, comment?: string): Promise<boolean> {
    if (!this.messageId) return false;
    try {
      const signal = AbortSignal.timeout(FEEDBACK_TIMEOUT_MS);
      const api = await sidecar.api(signal);
      await api.submitFeedback({ type: opinion, message_id: this.messageId, ...(comment && { comment }) }, signal);
      this.feedback = opinion;
      return true;
    } catch {
      return false;
    }
  }

  /** Hangs up; what was written stays. */
  stop(): void {
    this.#abort.abort(new DOMException('stopped', 'AbortError'));
  }

  /** Waits where waiting helps; throws `problem` again where it does not. */
  async #waitForRetry(problem: ApiError, turn: number, api: Api, backend: GenerationDeps, signal: AbortSignal): Promise<void> {
    if (problem.code === 'model_loading') {
      this.waitingFor = 'model';
      const state = await backend.model.waitUntilSettled(api, signal);
      if (state === 'ready') return;
    } else if (problem.code === 'model_missing') {
      this.waitingFor = 'arrival';
      const state = await backend.model.waitUntilAvailable(backend.sidecar, signal);
      if (state === 'ready') return;
    } else if (problem.code === 'overloaded' && turn < MAX_ATTEMPTS) {
      this.waitingFor = 'turn';
      await sleep((problem.retryAfter ?? 5) * 1000, signal);
      signal.throwIfAborted();
      return;
    }
    throw problem;
  }

  async #readStream(api: Api, request: GenerateRequest, onaccepted: () => void, signal: AbortSignal): Promise<void> {
    const assembly = new MarkdownAssembler(this.text);
    // As often as the screen is drawn, and no more.
    let frame: number | undefined;
    const show = () => {
      frame = undefined;
      this.text = assembly.text;
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
          this.text = typeof answer === 'string' ? answer : assembly.text;
          this.state = event.metadata?.['finish_reason'] === 'cancelled' ? 'stopped' : 'done';
          return;
        } else if (event.content !== '') {
          if (event.type === 'code') assembly.code(event.content, languageOf(event));
          else assembly.explanation(event.content);
          this.state = 'streaming';
          frame ??= requestAnimationFrame(show);
        }
      }
    } catch (error) {
      this.text = assembly.text;
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
      this.error = error instanceof Error ? error : new Error(String(error));
    }
  }
}

/** Whether an error means that the sidecar, not the question, is the trouble. */
export function isSidecarDown(error: Error | undefined): boolean {
  return error instanceof ApiUnreachable || error instanceof SidecarFailed;
}

/** An answer without an end is still being written for somebody, or was when its window went away. */
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
