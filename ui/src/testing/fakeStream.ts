// A stream of server-sent events for tests.
import type { Frame } from '../api/client';

/** A stream of server-sent events, written by a test. */
export class FakeStream {
  readonly response: Response;
  /** Whether the client has cancelled it. */
  cancelled = false;
  #sequence = 0;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor() {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      cancel: () => void (this.cancelled = true),
    });
    this.response = new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
  }

  start(ids: { conversation_id?: string; message_id?: string; model_used?: string; backend?: string } = {}): this {
    const metadata = { request_id: 'r', conversation_id: 'c', message_id: 'm', model_used: 'scripted', backend: 'local', ...ids };
    return this.send('start', '', metadata);
  }

  explanation(content: string): this {
    return this.send('explanation', content);
  }

  code(content: string, language?: string): this {
    return this.send('code', content, language === undefined ? null : { block: 0, language });
  }

  /** Sends the final event and ends the stream. */
  done(metadata: Record<string, unknown> = {}): this {
    this.send('done', '', { finish_reason: 'stop', tokens_per_second: 20, processing_time: 1.5, ...metadata });
    this.#controller?.close();
    return this;
  }

  /** Sends an error event and ends the stream. */
  error(code = 'INTERNAL_SERVER_ERROR', message = 'it broke'): this {
    this.send('error', '', { status: 'error', error_message: message, error_code: code, error_details: null });
    this.#controller?.close();
    return this;
  }

  /** Fails the stream as an aborted signal does. */
  abort(reason: unknown): void {
    this.cancelled = true;
    this.#controller?.error(reason);
  }

  /** Ends the stream without a final event. */
  end(): void {
    this.#controller?.close();
  }

  /** Fails the stream, as when the sidecar crashes. */
  fail(): void {
    this.#controller?.error(new TypeError('network error'));
  }

  send(type: Frame['type'], content: string, metadata: Record<string, unknown> | null = null): this {
    const frame = { type, content, sequence: this.#sequence++, timestamp: '2024-12-28T10:00:00Z', metadata };
    this.raw(`data: ${JSON.stringify(frame)}\n\n`);
    return this;
  }

  raw(text: string): void {
    this.#controller?.enqueue(new TextEncoder().encode(text));
  }
}
