// A fake API for unit tests: a `fetch` whose state and responses the test sets.
import type {
  CatalogueItem,
  ConversationItem,
  DetailedHealth,
  Diagnosis,
  Download,
  EndpointMetrics,
  ErrorSummary,
  Frame,
  HistoryItem,
  HubFile,
  HubItem,
  KeyItem,
  LogLine,
  ModelItem,
  MetricsPoint,
  Profile,
  SettingsValues,
  StorageUsage,
  TokenCount,
  Validation,
} from '../api/client';

/** A request that was received. */
export interface ReceivedRequest {
  method: string;
  path: string;
  headers: Headers;
  body: Record<string, unknown> | undefined;
}

/** Pass `fetch` to the API client. */
export class FakeApi {
  readonly requests: ReceivedRequest[] = [];
  model: DetailedHealth['model'] = { state: 'ready', name: 'scripted' };
  models: ModelItem[] = [];
  catalogue: CatalogueItem[] = [];
  downloads: Download[] = [];
  repositories: HubItem[] = [];
  files: HubFile[] = [];
  /** Conversations that were deleted, in order. */
  deleted: string[] = [];
  /** Error responses for the next commands on models, settings and deletions, in order. */
  refusals: Response[] = [];
  devices: DetailedHealth['devices'] = [];
  memory: DetailedHealth['memory'] = memory();
  remote: DetailedHealth['remote'] = { policy: 'local_only', state: 'off' };
  items: ConversationItem[] = [];
  threads: Record<string, HistoryItem[]> = {};
  /** The thread of a conversation after switching to a message of another version. */
  branches: Record<string, HistoryItem[]> = {};
  /** The exported history. */
  exportedHistory: HistoryItem[] | undefined;
  /** The token count of any request; undefined if no model can count. */
  count: Partial<TokenCount> | undefined = {};
  settings: Partial<SettingsValues> = { memory_budget_mb: null, rate_limit: 100, rate_limit_enabled: true, remote_policy: 'local_only', log_level: 'info' };
  fromEnvironment: Record<string, string> = {};
  profile: Partial<Profile> = { pythonSkillLevel: 'intermediate', preferredLanguageFeatures: ['type_hints'] };
  keys: KeyItem[] = [];
  /** The findings of any code check. */
  validation: Validation = validation();
  points: MetricsPoint[] = [];
  endpoints: EndpointMetrics[] = [];
  errors: Omit<ErrorSummary, 'status'> = { total_errors: 0, errors_last_24h: 0, error_rate: 0, top_error_codes: [], recent_incidents: [] };
  /** The log, oldest first. */
  log: LogLine[] = [];
  diagnosis: Diagnosis = { status: 'healthy', issues: { critical: 0, errors: 0, warnings: 0 }, findings: [] };
  stored: StorageUsage = { status: 'success', folder: '/data', parts: [] };
  /** Settings that take effect after a restart. */
  restartRequired: string[] = [];
  /** Histories that were imported. */
  importedHistories: Record<string, unknown>[] = [];
  /** Queries of the history endpoint. */
  historyQueries: Record<string, string>[] = [];
  /** Responses to the next questions, in order; a question without one waits for `answer`. */
  #listeners: ReadableStreamDefaultController<Uint8Array>[] = [];
  #answers: (Response | FakeStream)[] = [];
  #asking: ((answer: Response | FakeStream) => void)[] = [];

  readonly fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const { pathname, searchParams } = new URL(request.url);
    const text = await request.text();
    request.signal.throwIfAborted();
    const body = text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>);
    this.requests.push({ method: request.method, path: pathname, headers: request.headers, body });
    if (pathname === '/health/detailed') return Response.json(this.#health());
    if (pathname === '/api/v1/models/downloads' && request.method === 'GET') return this.#listen();
    if (pathname.startsWith('/api/v1/models')) return this.#aboutModels(request.method, pathname);
    if (pathname === '/api/v1/metrics/series') {
      const since = Number(searchParams.get('since') ?? 0);
      return Response.json({ status: 'success', interval_ms: 5000, points: this.points.filter(({ at }) => at > since) });
    }
    if (pathname === '/api/v1/metrics/endpoints') return Response.json({ status: 'success', endpoints: this.endpoints });
    if (pathname === '/api/v1/errors/dashboard') return Response.json({ status: 'success', ...this.errors });
    if (pathname === '/api/v1/logs') return this.#logs(searchParams);
    if (pathname === '/api/v1/doctor') return this.refusals.shift() ?? Response.json(this.diagnosis);
    if (pathname === '/api/v1/storage') return Response.json(this.stored);
    if (pathname === '/api/v1/user/history/export') return new Response(JSON.stringify({ format: searchParams.get('format'), messages: this.#given(searchParams) }));
    if (pathname === '/api/v1/user/history/import') {
      this.importedHistories.push(body ?? {});
      return Response.json({ status: 'success', message: 'took it in', imported: 1, skipped: 0, invalid: 1, problems: [{ index: 2, problem: 'no question' }] });
    }
    if (pathname === '/api/v1/settings') return this.#settings(body);
    if (pathname === '/api/v1/users/profile') {
      this.profile = { ...this.profile, ...body };
      return Response.json({ status: 'success', ...this.profile });
    }
    if (pathname.startsWith('/api/v1/keys')) return this.#aboutKeys(request.method, pathname, body);
    if (pathname.startsWith('/api/v1/remote')) return Response.json({ status: 'success', models: [], ...this.remote });
    if (pathname === '/api/v1/validate-code') return Response.json({ status: 'success', ...this.validation });
    if (pathname === '/api/v1/submit-feedback') return Response.json({ status: 'success', feedback_id: 'fb_1' });
    if (pathname === '/api/v1/user/history') return this.#history(searchParams);
    if (pathname === '/api/v1/count-tokens') return this.#counted(body);
    if (pathname === '/api/v1/generate-code-streaming') return this.#answer(request.signal);
    if (pathname === '/api/v1/conversations') {
      const [offset, limit] = [Number(searchParams.get('offset')), Number(searchParams.get('limit'))];
      const items = this.items.slice(offset, offset + limit);
      const total_count = this.items.length;
      return Response.json({ status: 'success', items, total_count, has_more: offset + items.length < total_count });
    }
    const id = pathname.replace('/api/v1/conversations/', '');
    if (request.method === 'DELETE') {
      const refused = this.refusals.shift();
      if (refused) return refused;
      this.deleted.push(id);
      this.items = this.items.filter((item) => item.id !== id);
      return Response.json({ status: 'success', message: 'gone' });
    }
    if (request.method === 'PATCH') {
      const branch = this.branches[String(body?.['shown'])];
      if (branch) this.threads[id] = branch;
      this.items = this.items.map((item) => (item.id === id ? { ...item, ...body } : item));
      return Response.json({ status: 'success', ...this.items.find((item) => item.id === id) });
    }
    const messages = this.threads[id];
    return messages ? Response.json({ ...conversation(id), status: 'success', ...pageOf(messages, searchParams) }) : refusal(404, 'NOT_FOUND');
  };

  /** Sends the list of downloads to all subscribers. */
  reportDownloads(...downloads: Download[]): void {
    this.downloads = downloads;
    for (const listener of this.#listeners) listener.enqueue(this.#list());
  }

  /** Received commands on models, such as `POST /one/load`, with their bodies. */
  get modelCommands(): [string, Record<string, unknown> | undefined][] {
    const orders = this.requests.filter(({ method, path }) => path.startsWith('/api/v1/models') && method !== 'GET');
    return orders.map(({ method, path, body }) => [`${method} ${path.replace('/api/v1/models', '')}`, body]);
  }

  /** Bodies of the received count requests. */
  get countRequests(): Record<string, unknown>[] {
    return this.requests.filter(({ path }) => path.endsWith('/count-tokens')).map(({ body }) => body ?? {});
  }

  #counted(body: Record<string, unknown> | undefined): Response {
    if (!this.count) return refusal(503, 'SERVICE_UNAVAILABLE', { reason: 'model_missing' });
    const files = ((body?.['files'] ?? []) as { path: string; content: string }[]).map(({ path, content }) => ({ path, tokens: content.length }));
    const usual = { prompt_tokens: 100, limit: 4096, fits: true, exact: true, dropped_messages: 0, files };
    return Response.json({ status: 'success', ...usual, ...this.count });
  }

  #settings(patch: Record<string, unknown> | undefined): Response {
    const refused = patch && this.refusals.shift();
    if (refused) return refused;
    this.settings = { ...this.settings, ...patch };
    return Response.json({ status: 'success', settings: this.settings, from_environment: this.fromEnvironment, restart_required: this.restartRequired });
  }

  #given(search: URLSearchParams): HistoryItem[] | undefined {
    const id = search.get('conversation');
    return this.exportedHistory?.filter(({ conversation_id }) => id === null || conversation_id === id);
  }

  #logs(query: URLSearchParams): Response {
    const [limit, before] = [Number(query.get('limit')), query.get('before')];
    const words = query.get('search') ?? '';
    const found = this.log.filter(({ message, level }) => message.includes(words) && (!query.has('level') || level.toLowerCase() === query.get('level')));
    const end = before === null ? found.length : found.findIndex(({ cursor }) => String(cursor) === before);
    const lines = found.slice(Math.max(0, end - limit), end);
    return Response.json({ status: 'success', lines, next: end > limit ? lines[0]?.cursor : null });
  }

  #aboutKeys(method: string, path: string, body: Record<string, unknown> | undefined): Response {
    if (method === 'DELETE') this.keys = this.keys.filter(({ id }) => !path.endsWith(`/${id}`));
    if (method !== 'POST') return Response.json({ status: 'success', keys: this.keys });
    const made = keyItem('k1', { name: String(body?.['name']) });
    this.keys = [made, ...this.keys];
    return Response.json({ status: 'success', key: 'hapa_secret', ...made });
  }

  #history(query: URLSearchParams): Response {
    this.historyQueries.push(Object.fromEntries(query));
    const [offset, limit] = [Number(query.get('offset')), Number(query.get('limit'))];
    const words = (query.get('search') ?? '').split(' ');
    const all = Object.values(this.threads).flat();
    const found = all.filter((item) => words.every((word) => `${item.question} ${item.response}`.includes(word)));
    const items = found.slice(offset, offset + limit);
    return Response.json({ status: 'success', items, total_count: found.length, has_more: offset + items.length < found.length });
  }

  #aboutModels(method: string, path: string): Response {
    const refused = method === 'GET' ? undefined : this.refusals.shift();
    if (refused) return refused;
    const status = 'success';
    if (path.startsWith('/api/v1/models/downloads')) return Response.json({ status, downloads: this.downloads });
    if (path === '/api/v1/models/hub') return Response.json({ status, repositories: this.repositories });
    if (path.startsWith('/api/v1/models/hub/')) return Response.json({ status, host: 'huggingface.co', files: this.files });
    if (path.endsWith('/verify')) return Response.json({ status, sha256: 'ab', expected: 'cd', matches: false });
    if (path.endsWith('/unload')) this.models = this.models.map((model) => ({ ...model, state: 'asleep' }));
    if (method === 'DELETE') this.models = this.models.filter(({ id }) => !path.endsWith(`/${id}`));
    return Response.json({ status, models: this.models, memory: this.memory, catalogue: this.catalogue });
  }

  #listen(): Response {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#listeners.push(controller);
        controller.enqueue(this.#list());
      },
    });
    return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
  }

  #list(): Uint8Array<ArrayBuffer> {
    return new TextEncoder().encode(`data: ${JSON.stringify({ status: 'success', downloads: this.downloads })}\n\n`);
  }

  /** Bodies of the received questions. */
  get questions(): Record<string, unknown>[] {
    return this.requests.filter(({ path }) => path.endsWith('streaming')).map(({ body }) => body ?? {});
  }

  /** Answers the next question. */
  answer(answer: Response | FakeStream): void {
    const asking = this.#asking.shift();
    if (asking) asking(answer);
    else this.#answers.push(answer);
  }

  /** Answers the next question with a stream that the test writes. */
  stream(): FakeStream {
    const stream = new FakeStream();
    this.answer(stream);
    return stream;
  }

  async #answer(signal: AbortSignal): Promise<Response> {
    const answer = this.#answers.shift() ?? (await this.#written(signal));
    if (answer instanceof Response) return answer;
    signal.addEventListener('abort', () => answer.abort(signal.reason));
    return answer.response;
  }

  /** The response that the test will provide. */
  #written(signal: AbortSignal): Promise<Response | FakeStream> {
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

/** The latest page of a thread, or the one before a message. */
function pageOf(thread: HistoryItem[], query: URLSearchParams) {
  const before = query.get('before');
  const end = before ? thread.findIndex(({ id }) => id === before) : thread.length;
  const start = Math.max(0, end - Number(query.get('limit') ?? 1000));
  return { messages: thread.slice(start, end), has_more: start > 0 };
}

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

/** An error response. */
export function refusal(status: number, code: string, details: Record<string, unknown> | null = null, headers: HeadersInit = {}): Response {
  const body = { status: 'error', error_message: `refused: ${code}`, error_code: code, error_details: details };
  return Response.json(body, { status, headers });
}

/** An empty memory budget, except for `parts`. */
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

/** A loaded model with both roles, entirely on the CPU. */
export function modelItem(id: string, change: Partial<ModelItem> = {}): ModelItem {
  const explanation = '24 of 24 layers on the processor';
  const fit = { fits: true, memory_bytes: 1024 ** 3, layers: 24, gpu_layers: 0, context: 16_384, explanation };
  return { id, state: 'ready', roles: ['chat', 'completion'], size_bytes: 1024 ** 3, fit, ...change };
}

/** A code check without findings, except for `found`. */
export function validation(found: Partial<Validation> = {}): Validation {
  return {
    is_valid: true,
    code_quality_score: 10,
    execution_safety: 'safe',
    not_checked: [],
    omitted: 0,
    syntax_errors: [],
    security_issues: [],
    performance_warnings: [],
    style_issues: [],
    recommendations: [],
    ...found,
  };
}

/** Metrics of an idle interval that ends at a time. */
export function point(at: number, change: Partial<MetricsPoint> = {}): MetricsPoint {
  const memory = { memory: 4 * 1024 ** 3, memory_total: 16 * 1024 ** 3, process_memory: 1024 ** 3, gpu: null, gpu_memory: null };
  const budget = { budget_used: 1024 ** 3, budget_limit: 8 * 1024 ** 3 };
  const queue = { queue_completion: 0, queue_chat: 0, queue_background: 0, active: 0 };
  const answers = { tokens_per_second: null, time_to_first_token: null, reused_tokens: 0, prompt_tokens: 0, completion_tokens: 0 };
  return { at, cpu: 10, ...memory, ...budget, ...queue, ...answers, requests: 0, errors: 0, cache_hits: 0, cache_misses: 0, ...change };
}

/** A log line. */
export function logLine(cursor: number, change: Partial<LogLine> = {}): LogLine {
  return { cursor, time: '2026-11-26T05:00:00Z', level: 'INFO', target: 'sidecar::http', message: `line ${cursor}`, fields: {}, ...change };
}

/** An API key. */
export function keyItem(id: string, change: Partial<KeyItem> = {}): KeyItem {
  const times = { created_at: '2024-12-28T10:00:00Z', expires_at: '2025-03-28T10:00:00Z', expired: false };
  return { id, name: id, hint: 'hapa_1a2b3c…', kind: 'made', user: 'me', permissions: ['code_generation'], ...times, ...change };
}

/** A model of the catalogue that fits. */
export function catalogueItem(name: string, change: Partial<CatalogueItem> = {}): CatalogueItem {
  const [id, file] = [name.toLowerCase(), `${name.toLowerCase()}.gguf`];
  const { fit } = modelItem(id);
  const common = { id, name, repository: `Qwen/${name}`, file, size_bytes: 1024 ** 3, license: 'apache-2.0', free: true };
  return { ...common, fit: fit as CatalogueItem['fit'], installed: false, suggested: false, ...change };
}

/** A download in progress. */
export function download(id: string, change: Partial<Download> = {}): Download {
  const bytes = { received_bytes: 512 * 1024 ** 2, total_bytes: 1024 ** 3, bytes_per_second: 8 * 1024 ** 2 };
  return { id, repository: 'Qwen/Model', file: `${id}.gguf`, revision: 'main', state: 'downloading', ...bytes, ...change };
}

/** A conversation of the list. */
export function conversation(id: string, title = id): ConversationItem {
  return { id, title, created_at: '2024-12-28T10:00:00Z', updated_at: '2024-12-28T10:00:00Z', message_count: 1, pinned: false };
}

/** A message of the history. */
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
    dropped_messages: 0,
    generated_code: '',
    explanation: '',
    files: [],
    model_type: 'code_generation',
    versions: [id],
    replaced: false,
    ...change,
  };
}
