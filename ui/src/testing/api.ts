// The API as the wire has it, without a wire: a `fetch` that tests write the answers of.
import type { ConversationItem, DetailedHealth, Frame, HistoryItem, ModelItem } from '../api/client';

/** A request as it arrived. */
export interface Arrived {
  method: string;
  path: string;
  headers: Headers;
  body: Record<string, unknown> | undefined;
}

/** Give `fetch` to whatever talks to the API. */
export class FakeApi {
  readonly arrived: Arrived[] = [];
  model: DetailedHealth['model'] = { state: 'ready', name: 'scripted' };
  models: ModelItem[] = [];
  devices: DetailedHealth['devices'] = [];
  memory: DetailedHealth['memory'] = memory();
  remote: DetailedHealth['remote'] = { policy: 'local_only', state: 'off' };
  items: ConversationItem[] = [];
  threads: Record<string, HistoryItem[]> = {};
  /** What the next questions get, in order; a question that finds none waits for `answer`. */
  #answers: (Response | Stream)[] = [];
  #asking: ((answer: Response | Stream) => void)[] = [];

  readonly fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const { pathname, searchParams } = new URL(request.url);
    const text = await request.text();
    request.signal.throwIfAborted();
    const body = text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>);
    this.arrived.push({ method: request.method, path: pathname, headers: request.headers, body });
    if (pathname === '/health/detailed') return Response.json(this.#health());
    if (pathname === '/api/v1/models') {
      return Response.json({ status: 'success', models: this.models, memory: this.memory });
    }
    if (pathname === '/api/v1/generate-code-streaming') return this.#answer(request.signal);
    if (pathname === '/api/v1/conversations') {
      const [offset, limit] = [Number(searchParams.get('offset')), Number(searchParams.get('limit'))];
      const items = this.items.slice(offset, offset + limit);
      const total_count = this.items.length;
      return Response.json({ status: 'success', items, total_count, has_more: offset + items.length < total_count });
    }
    const id = pathname.replace('/api/v1/conversations/', '');
    if (request.method === 'DELETE') {
      this.items = this.items.filter((item) => item.id !== id);
      return Response.json({ status: 'success', message: 'gone' });
    }
    const messages = this.threads[id];
    return messages ? Response.json({ ...conversation(id), status: 'success', messages }) : refusal(404, 'NOT_FOUND');
  };

  /** Questions that arrived, as their bodies. */
  get questions(): Record<string, unknown>[] {
    return this.arrived.filter(({ path }) => path.endsWith('streaming')).map(({ body }) => body ?? {});
  }

  /** Answers the next question with `response`. */
  answer(answer: Response | Stream): void {
    const asking = this.#asking.shift();
    if (asking) asking(answer);
    else this.#answers.push(answer);
  }

  /** Answers the next question with a stream that the test writes. */
  stream(): Stream {
    const stream = new Stream();
    this.answer(stream);
    return stream;
  }

  async #answer(signal: AbortSignal): Promise<Response> {
    const answer = this.#answers.shift() ?? (await this.#written(signal));
    if (answer instanceof Response) return answer;
    signal.addEventListener('abort', () => answer.hangUp(signal.reason));
    return answer.response;
  }

  /** The answer that the test will give. */
  #written(signal: AbortSignal): Promise<Response | Stream> {
    return new Promise((resolve, reject) => {
      this.#asking.push(resolve);
      signal.addEventListener('abort', () => {
        this.#asking = this.#asking.filter((asking) => asking !== resolve);
        reject(signal.reason as Error);
      });
    });
  }

  #health(): DetailedHealth {
    const queue = { waiting: 0, active: 0, capacity: 32 };
    const backend = { device: this.model.state === 'ready' ? 'CPU (test)' : null };
    const { model, remote, devices, memory } = this;
    const common = { status: 'healthy' as const, version: '0.4.0', uptime_seconds: 1, findings: [] };
    return { ...common, model, remote, backend, devices, queue, memory };
  }
}

/** A stream of events, written by a test. */
export class Stream {
  readonly response: Response;
  /** Whether the client has hung up. */
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

  /** The last event of an answer, and the end of the stream. */
  done(metadata: Record<string, unknown> = {}): this {
    this.send('done', '', { finish_reason: 'stop', tokens_per_second: 20, processing_time: 1.5, ...metadata });
    this.#controller?.close();
    return this;
  }

  /** An error instead of a last event. */
  error(code = 'INTERNAL_SERVER_ERROR', message = 'it broke'): this {
    this.send('error', '', { status: 'error', error_message: message, error_code: code, error_details: null });
    this.#controller?.close();
    return this;
  }

  /** What the client's aborted signal makes of a stream. */
  hangUp(reason: unknown): void {
    this.cancelled = true;
    this.#controller?.error(reason);
  }

  /** The stream ends without a last event. */
  end(): void {
    this.#controller?.close();
  }

  /** The line is cut, as when the sidecar crashes. */
  cut(): void {
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

/** A plain error response. */
export function refusal(status: number, code: string, details: Record<string, unknown> | null = null, headers: HeadersInit = {}): Response {
  const body = { status: 'error', error_message: `refused: ${code}`, error_code: code, error_details: details };
  return Response.json(body, { status, headers });
}

/** Memory of which nothing is taken, but for what `parts` say. */
export function memory(parts: Partial<DetailedHealth['memory']> = {}): DetailedHealth['memory'] {
  const { weights_bytes = 0, conversations_bytes = 0, work_bytes = 0, saved_bytes = 0 } = parts;
  return {
    budget_bytes: 8 * 1024 ** 3,
    used_bytes: weights_bytes + conversations_bytes + work_bytes + saved_bytes,
    weights_bytes,
    conversations_bytes,
    work_bytes,
    saved_bytes,
    saved_now_bytes: 0,
    gpu_bytes: 0,
    ...parts,
  };
}

/** A model that answers everything, wholly on the processor. */
export function modelItem(id: string, change: Partial<ModelItem> = {}): ModelItem {
  const explanation = '24 of 24 layers on the processor';
  const fit = { fits: true, memory_bytes: 1024 ** 3, layers: 24, gpu_layers: 0, context: 16_384, explanation };
  return { id, state: 'ready', roles: ['chat', 'completion'], size_bytes: 1024 ** 3, fit, ...change };
}

/** A conversation in the list. */
export function conversation(id: string, title = id): ConversationItem {
  return { id, title, created_at: '2024-12-28T10:00:00Z', updated_at: '2024-12-28T10:00:00Z', message_count: 1, pinned: false };
}

/** A message in the history. */
export function historyItem(id: string, change: Partial<HistoryItem> = {}): HistoryItem {
  return {
    id,
    question: `question ${id}`,
    response: `answer ${id}`,
    timestamp: '2024-12-28T10:00:00Z',
    success: true,
    duration: 1,
    tokens: 10,
    language: 'python',
    conversation_id: 'c',
    rating: null,
    model_used: 'scripted',
    backend: 'local',
    tokens_per_second: 12,
    finish_reason: 'stop',
    generated_code: '',
    explanation: '',
    ...change,
  };
}
