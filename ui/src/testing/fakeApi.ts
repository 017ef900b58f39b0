// A fake API for unit tests: a `fetch` whose state and responses the test sets.
import type {
  CatalogueItem,
  ConversationItem,
  DetailedHealth,
  Diagnosis,
  Download,
  EndpointMetrics,
  ErrorSummary,
  GenerateRequest,
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
import type { components } from '../api/schema';
import { FakeStream } from './fakeStream';
import { conversation, keyItem, memory, validation } from './items';
import { refusal, Router, type Reply } from './router';

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

  readonly #router = this.#routes();

  readonly fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const url = new URL(request.url);
    const text = await request.text();
    request.signal.throwIfAborted();
    const body = text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>);
    this.requests.push({ method: request.method, path: url.pathname, headers: request.headers, body });
    return this.#router.dispatch(request.method, url, body, request.signal);
  };

  #routes(): Router {
    const status = 'success' as const;
    /** The reply of a command, unless a test has set a refusal. */
    const command = <T>(reply: () => T): T | Response => this.refusals.shift() ?? reply();
    const downloads = () => command(() => [200, { status, downloads: this.downloads }] as const);
    const remote = (): Reply<'/api/v1/remote', 'get'> => [200, { status, models: [], ...this.remote }];
    return new Router()
      .on('get', '/health/detailed', () => [200, this.#health()])
      .on('get', '/api/v1/models', () => [200, this.#models()])
      .on('get', '/api/v1/models/downloads', () => this.#followDownloads())
      .on('post', '/api/v1/models/downloads', downloads)
      .on('patch', '/api/v1/models/downloads/{id}', downloads)
      .on('delete', '/api/v1/models/downloads/{id}', downloads)
      .on('get', '/api/v1/models/hub', () => [200, { status, repositories: this.repositories }])
      .on('get', '/api/v1/models/hub/{owner}/{name}', () => [200, { status, host: 'huggingface.co', files: this.files }])
      .on('post', '/api/v1/models/{id}/load', () => command(() => [200, this.#models()] as const))
      .on('post', '/api/v1/models/{id}/unload', () =>
        command(() => {
          this.models = this.models.map((model) => ({ ...model, state: 'asleep' }));
          return [200, this.#models()] as const;
        }),
      )
      .on('post', '/api/v1/models/{id}/verify', () => command(() => [200, { status, sha256: 'ab', expected: 'cd', matches: false }] as const))
      .on('delete', '/api/v1/models/{id}', ({ parameters }) =>
        command(() => {
          this.models = this.models.filter(({ id }) => id !== parameters.id);
          return [200, this.#models()] as const;
        }),
      )
      .on('get', '/api/v1/metrics/series', ({ query }) => {
        const since = Number(query.get('since') ?? 0);
        return [200, { status, interval_ms: 5000, points: this.points.filter(({ at }) => at > since) }];
      })
      .on('get', '/api/v1/metrics/endpoints', () => [200, { status, endpoints: this.endpoints }])
      .on('get', '/api/v1/errors/dashboard', () => [200, { status, ...this.errors }])
      .on('get', '/api/v1/logs', ({ query }) => this.#logs(query))
      .on('get', '/api/v1/doctor', () => command(() => [200, this.diagnosis] as const))
      .on('get', '/api/v1/storage', () => [200, this.stored])
      .on('get', '/api/v1/settings', () => this.#settings())
      .on('patch', '/api/v1/settings', ({ body }) =>
        command(() => {
          this.settings = { ...this.settings, ...(body as Partial<SettingsValues>) };
          return this.#settings();
        }),
      )
      .on('get', '/api/v1/users/profile', () => this.#profile())
      .on('put', '/api/v1/users/profile', ({ body }) => {
        this.profile = { ...this.profile, ...(body as Partial<Profile>) };
        return this.#profile();
      })
      .on('get', '/api/v1/keys', () => [200, { status, keys: this.keys }])
      .on('post', '/api/v1/keys', ({ body }) => {
        const created = keyItem('k1', { name: body.name });
        this.keys = [created, ...this.keys];
        return [200, { status, key: 'hapa_secret', ...created }];
      })
      .on('delete', '/api/v1/keys/{id}', ({ parameters }) => {
        this.keys = this.keys.filter(({ id }) => id !== parameters.id);
        return [200, { status, message: 'revoked' }];
      })
      .on('get', '/api/v1/remote', remote)
      .on('post', '/api/v1/remote/try', remote)
      .on('put', '/api/v1/remote/key', remote)
      .on('delete', '/api/v1/remote/key', remote)
      .on('post', '/api/v1/validate-code', () => [200, { status, ...this.validation }])
      .on('post', '/api/v1/submit-feedback', () => [200, { status, success: true, message: 'stored', feedback_id: 'fb_1', timestamp: '2024-12-28T10:00:00Z' }])
      .on('post', '/api/v1/count-tokens', ({ body }) => this.#countTokens(body))
      .on('post', '/api/v1/generate-code-streaming', ({ signal }) => this.#answer(signal))
      .on('get', '/api/v1/user/history', ({ query }) => this.#history(query))
      .on('delete', '/api/v1/user/history', () => [200, { status, message: 'deleted' }])
      .on('get', '/api/v1/user/history/export', ({ query }) => {
        const id = query.get('conversation');
        const messages = this.exportedHistory?.filter(({ conversation_id }) => id === null || conversation_id === id);
        return new Response(JSON.stringify({ format: query.get('format'), messages }));
      })
      .on('post', '/api/v1/user/history/import', ({ body }) => {
        this.importedHistories.push({ ...body });
        return [200, { status, message: 'took it in', imported: 1, skipped: 0, invalid: 1, problems: [{ index: 2, problem: 'no question' }] }];
      })
      .on('get', '/api/v1/conversations', ({ query }) => {
        const items = pageOf(this.items, query);
        return [200, { status, items, total_count: this.items.length, has_more: Number(query.get('offset')) + items.length < this.items.length }];
      })
      .on('get', '/api/v1/conversations/{id}', ({ parameters: { id }, query }) => {
        const messages = this.threads[id];
        return messages ? [200, { ...conversation(id), status, ...messagesBefore(messages, query) }] : refusal(404, 'NOT_FOUND');
      })
      .on('patch', '/api/v1/conversations/{id}', ({ parameters: { id }, body }) => {
        const branch = this.branches[String(body.shown)];
        if (branch) this.threads[id] = branch;
        this.items = this.items.map((item) => (item.id === id ? ({ ...item, ...body } as ConversationItem) : item));
        return [200, { status, ...(this.items.find((item) => item.id === id) ?? conversation(id)) }];
      })
      .on('delete', '/api/v1/conversations/{id}', ({ parameters: { id } }) =>
        command(() => {
          this.deleted.push(id);
          this.items = this.items.filter((item) => item.id !== id);
          return [200, { status, message: 'gone' }] as const;
        }),
      );
  }

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

  #models() {
    return { status: 'success' as const, models: this.models, memory: this.memory, catalogue: this.catalogue };
  }

  #countTokens(body: GenerateRequest): Reply<'/api/v1/count-tokens', 'post'> | Response {
    if (!this.count) return refusal(503, 'SERVICE_UNAVAILABLE', { reason: 'model_missing' });
    const files = (body.files ?? []).map(({ path, content }) => ({ path, tokens: content.length }));
    const count = { prompt_tokens: 100, limit: 4096, fits: true, exact: true, dropped_messages: 0, files, ...this.count };
    return [200, { status: 'success', ...count }];
  }

  #settings(): Reply<'/api/v1/settings', 'get'> {
    const settings = this.settings as SettingsValues;
    return [200, { status: 'success', settings, from_environment: this.fromEnvironment, restart_required: this.restartRequired }];
  }

  #profile(): Reply<'/api/v1/users/profile', 'get'> {
    return [200, { status: 'success', ...(this.profile as Profile) }];
  }

  #logs(query: URLSearchParams): Reply<'/api/v1/logs', 'get'> {
    const [limit, before] = [Number(query.get('limit')), query.get('before')];
    const words = query.get('search') ?? '';
    const found = this.log.filter(({ message, level }) => message.includes(words) && (!query.has('level') || level.toLowerCase() === query.get('level')));
    const end = before === null ? found.length : found.findIndex(({ cursor }) => String(cursor) === before);
    const lines = found.slice(Math.max(0, end - limit), end) as Line[];
    return [200, { status: 'success', lines, next: end > limit ? (lines[0]?.cursor ?? null) : null }];
  }

  #history(query: URLSearchParams): Reply<'/api/v1/user/history', 'get'> {
    this.historyQueries.push(Object.fromEntries(query));
    const words = (query.get('search') ?? '').split(' ');
    const all = Object.values(this.threads).flat();
    const found = all.filter((item) => words.every((word) => `${item.question} ${item.response}`.includes(word)));
    const items = pageOf(found, query);
    return [200, { status: 'success', items, total_count: found.length, has_more: Number(query.get('offset')) + items.length < found.length }];
  }

  #followDownloads(): Response {
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

/** A log line of the document, which cannot say that its fields have any value. */
type Line = components['schemas']['LogLine'];

/** The page of a list that a query asks for. */
function pageOf<T>(items: T[], query: URLSearchParams): T[] {
  const [offset, limit] = [Number(query.get('offset')), Number(query.get('limit'))];
  return items.slice(offset, offset + limit);
}

/** The latest page of a thread, or the one before a message. */
function messagesBefore(thread: HistoryItem[], query: URLSearchParams) {
  const before = query.get('before');
  const end = before ? thread.findIndex(({ id }) => id === before) : thread.length;
  const start = Math.max(0, end - Number(query.get('limit') ?? 1000));
  return { messages: thread.slice(start, end), has_more: start > 0 };
}
