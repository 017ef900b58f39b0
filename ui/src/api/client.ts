// The API as functions: typed by the OpenAPI document, with errors that can be told apart.
import createClient from 'openapi-fetch';

import { StreamInterrupted, ApiError, ApiUnreachable } from './errors';
import type { components, paths } from './schema';
import { parseSse } from './sse';
import { upload } from './upload';

export type GenerateRequest = components['schemas']['GenerateRequest'];
export type TokenCount = components['schemas']['CountTokensResponse'];
export type ConversationItem = components['schemas']['ConversationItem'];
export type Conversation = components['schemas']['ConversationResponse'];
export type Finding = components['schemas']['Finding'];
export type Validation = components['schemas']['Validation'];
export type HistoryItem = components['schemas']['HistoryItem'];
export type ExportQuery = NonNullable<paths['/api/v1/user/history/export']['get']['parameters']['query']>;
export type ModelItem = components['schemas']['ModelItem'];
export type CatalogueItem = components['schemas']['CatalogueItem'];
export type Download = components['schemas']['DownloadItem'];
export type HubItem = components['schemas']['HubItem'];
export type HubFile = components['schemas']['HubFile'];
export type SettingsValues = components['schemas']['Settings'];
export type SettingsPatch = components['schemas']['Patch'];
export type Profile = components['schemas']['Profile'];
export type ProfileFields = components['schemas']['ProfileFields'];
export type KeyItem = components['schemas']['KeyItem'];
export type CreatedKey = components['schemas']['KeyResponse'];
export type Permission = components['schemas']['Permission'];
export type Remote = components['schemas']['RemoteResponse'];
export type Role = components['schemas']['ModelRole'];
export type DetailedHealth = components['schemas']['DetailedHealthResponse'];
export type MetricsPoint = components['schemas']['MetricsPoint'];
export type EndpointMetrics = components['schemas']['EndpointFigures'];
export type LogLine = Omit<components['schemas']['LogLine'], 'fields'> & { fields: Record<string, unknown> };
export type Diagnosis = components['schemas']['DoctorResponse'];
export type StorageUsage = components['schemas']['StorageResponse'];
export type HistoryFile = components['schemas']['HistoryFile'];
export type ImportResult = components['schemas']['ImportResponse'];
export type ErrorSummary = components['schemas']['ErrorsResponse'];
export type Frame = components['schemas']['Frame'];

/** A connection to one running sidecar. */
export type Api = ReturnType<typeof connect>;

/** A stream that says nothing for so many milliseconds is dead: the API gives a sign of life every 10 s. */
const STREAM_IDLE_MS = 45_000;

/**
 * Connects to the API at `baseUrl` with `key`.
 * `language` is asked before each request: the API words its errors in it.
 */
export function connect(baseUrl: string, key: string, fetch: typeof globalThis.fetch, language: () => string) {
  const client = createClient<paths>({ baseUrl, fetch: (request) => fetch(request), headers: { 'X-API-Key': key } });
  client.use({
    onRequest({ request }) {
      request.headers.set('Accept-Language', language());
      return request;
    },
    onError: ({ error }) => (isAbort(error) ? undefined : new ApiUnreachable(error)),
  });

  return {
    /** How the API is: its model, its devices, its memory. */
    async healthDetailed(signal?: AbortSignal): Promise<DetailedHealth> {
      return unwrap(await client.GET('/health/detailed', withSignal(signal)));
    },

    /** The models that there are, those that were chosen first. */
    async models(signal?: AbortSignal) {
      return unwrap(await client.GET('/api/v1/models', withSignal(signal)));
    },

    /** Chooses a model for a role, and begins to load it. */
    async loadModel(id: string, role: Role, signal?: AbortSignal) {
      return unwrap(await client.POST('/api/v1/models/{id}/load', { params: { path: { id } }, body: { role }, ...withSignal(signal) }));
    },

    /** Takes a model out of memory. */
    async unloadModel(id: string, signal?: AbortSignal) {
      return unwrap(await client.POST('/api/v1/models/{id}/unload', { params: { path: { id } }, ...withSignal(signal) }));
    },

    /** Removes a model's file. */
    async removeModel(id: string, signal?: AbortSignal) {
      return unwrap(await client.DELETE('/api/v1/models/{id}', { params: { path: { id } }, ...withSignal(signal) }));
    },

    /** Compares a model's bytes with what they must be, which takes seconds for each GiB. */
    async verifyModel(id: string, signal?: AbortSignal) {
      return unwrap(await client.POST('/api/v1/models/{id}/verify', { params: { path: { id } }, ...withSignal(signal) }));
    },

    /** Begins to download a model. */
    async download(body: components['schemas']['DownloadRequest'], signal?: AbortSignal) {
      return unwrap(await client.POST('/api/v1/models/downloads', { body, ...withSignal(signal) }));
    },

    /** Lets a download wait, or go on. */
    async pauseDownload(id: string, paused: boolean, signal?: AbortSignal) {
      return unwrap(await client.PATCH('/api/v1/models/downloads/{id}', { params: { path: { id } }, body: { paused }, ...withSignal(signal) }));
    },

    /** Gives up a download, or takes one that is over off the list. */
    async cancelDownload(id: string, signal?: AbortSignal) {
      return unwrap(await client.DELETE('/api/v1/models/downloads/{id}', { params: { path: { id } }, ...withSignal(signal) }));
    },

    /** Yields the list of downloads, now and whenever something about it changes. */
    async *downloads(signal: AbortSignal): AsyncGenerator<components['schemas']['DownloadsResponse'], void, undefined> {
      const stream = unwrap(await client.GET('/api/v1/models/downloads', { signal, parseAs: 'stream' }));
      if (!stream) return;
      for await (const data of parseSse(stream, signal)) yield JSON.parse(data) as components['schemas']['DownloadsResponse'];
    },

    /** Brings a model file; `onprogress` hears how many bytes have gone out. */
    async importModel(file: File, onprogress: (sent: number) => void, signal: AbortSignal): Promise<void> {
      const url = `${baseUrl}/api/v1/models/imports/${encodeURIComponent(file.name)}`;
      const headers = { 'X-API-Key': key, 'Accept-Language': language() };
      const response = await upload({ url, headers, file, onprogress, signal });
      unwrap({ response, error: response.ok ? undefined : await response.json().catch(() => undefined) });
    },

    /** Figures over the last hour, or those after a time in milliseconds. */
    async metricsSeries(since: number | undefined, signal?: AbortSignal) {
      const query = since === undefined ? {} : { since };
      return unwrap(await client.GET('/api/v1/metrics/series', { params: { query }, ...withSignal(signal) }));
    },

    /** Requests by endpoint. */
    async endpointMetrics(signal?: AbortSignal) {
      return unwrap(await client.GET('/api/v1/metrics/endpoints', withSignal(signal)));
    },

    /** What went wrong lately. */
    async errorSummary(signal?: AbortSignal): Promise<ErrorSummary> {
      return unwrap(await client.GET('/api/v1/errors/dashboard', withSignal(signal)));
    },

    /** Lines of the log, the latest last. */
    async logs(query: NonNullable<paths['/api/v1/logs']['get']['parameters']['query']>, signal?: AbortSignal) {
      return unwrap(await client.GET('/api/v1/logs', { params: { query }, ...withSignal(signal) }));
    },

    /** Looks at the whole installation. */
    async doctor(signal?: AbortSignal): Promise<Diagnosis> {
      return unwrap(await client.GET('/api/v1/doctor', withSignal(signal)));
    },

    /** What lies in the data folder. */
    async storage(signal?: AbortSignal): Promise<StorageUsage> {
      return unwrap(await client.GET('/api/v1/storage', withSignal(signal)));
    },

    /** All that was asked and answered, as a file's text. */
    async exportHistory(query: ExportQuery, signal?: AbortSignal): Promise<string> {
      return unwrap(await client.GET('/api/v1/user/history/export', { params: { query }, parseAs: 'text', ...withSignal(signal) })) as string;
    },

    /** Takes in a file of the history. What is here already is never changed. */
    async importHistory(body: HistoryFile, signal?: AbortSignal): Promise<ImportResult> {
      return unwrap(await client.POST('/api/v1/user/history/import', { body, ...withSignal(signal) }));
    },

    /** Repositories of the hub with model files. */
    async searchHub(query: string, signal?: AbortSignal) {
      return unwrap(await client.GET('/api/v1/models/hub', { params: { query: { query } }, ...withSignal(signal) }));
    },

    /** The model files of a repository, such as `owner/name`. */
    async hubFiles(repository: string, signal?: AbortSignal) {
      const [owner = '', name = ''] = repository.split('/');
      return unwrap(await client.GET('/api/v1/models/hub/{owner}/{name}', { params: { path: { owner, name } }, ...withSignal(signal) }));
    },

    /** The settings that are in force. */
    async settings(signal?: AbortSignal) {
      return unwrap(await client.GET('/api/v1/settings', withSignal(signal)));
    },

    /** Changes settings. */
    async changeSettings(body: SettingsPatch, signal?: AbortSignal) {
      return unwrap(await client.PATCH('/api/v1/settings', { body, ...withSignal(signal) }));
    },

    /** How answers should be. */
    async profile(signal?: AbortSignal): Promise<Profile> {
      return unwrap(await client.GET('/api/v1/users/profile', withSignal(signal)));
    },

    /** Saves how answers should be; absent fields have their defaults. */
    async saveProfile(body: ProfileFields, signal?: AbortSignal): Promise<Profile> {
      return unwrap(await client.PUT('/api/v1/users/profile', { body, ...withSignal(signal) }));
    },

    /** The keys that open the API. */
    async keys(signal?: AbortSignal) {
      return unwrap(await client.GET('/api/v1/keys', withSignal(signal)));
    },

    /** Makes a key, which is told here and never again. */
    async createKey(body: components['schemas']['KeyRequest'], signal?: AbortSignal): Promise<CreatedKey> {
      return unwrap(await client.POST('/api/v1/keys', { body, ...withSignal(signal) }));
    },

    /** Revokes a key. */
    async revokeKey(id: string, signal?: AbortSignal): Promise<void> {
      unwrap(await client.DELETE('/api/v1/keys/{id}', { params: { path: { id } }, ...withSignal(signal) }));
    },

    /** The server elsewhere. */
    async remote(signal?: AbortSignal): Promise<Remote> {
      return unwrap(await client.GET('/api/v1/remote', withSignal(signal)));
    },

    /** Asks the server elsewhere whether it answers. */
    async testRemote(signal?: AbortSignal): Promise<Remote> {
      return unwrap(await client.POST('/api/v1/remote/try', withSignal(signal)));
    },

    /** Keeps the key of the server elsewhere. */
    async saveRemoteKey(key: string, signal?: AbortSignal): Promise<Remote> {
      return unwrap(await client.PUT('/api/v1/remote/key', { body: { key }, ...withSignal(signal) }));
    },

    /** Forgets the key of the server elsewhere. */
    async removeRemoteKey(signal?: AbortSignal): Promise<Remote> {
      return unwrap(await client.DELETE('/api/v1/remote/key', withSignal(signal)));
    },

    /** Deletes everything that was asked and answered. */
    async deleteHistory(signal?: AbortSignal): Promise<void> {
      unwrap(await client.DELETE('/api/v1/user/history', { body: { confirm: true }, ...withSignal(signal) }));
    },

    /** What is wrong with code. */
    async validate(body: components['schemas']['ValidateRequest'], signal?: AbortSignal): Promise<Validation> {
      return unwrap(await client.POST('/api/v1/validate-code', { body, ...withSignal(signal) }));
    },

    /** Keeps what somebody thinks of an answer. */
    async submitFeedback(body: components['schemas']['FeedbackRequest'], signal?: AbortSignal): Promise<void> {
      unwrap(await client.POST('/api/v1/submit-feedback', { body, ...withSignal(signal) }));
    },

    /** A page of the history, the latest first. */
    async history(query: NonNullable<paths['/api/v1/user/history']['get']['parameters']['query']>, signal?: AbortSignal) {
      return unwrap(await client.GET('/api/v1/user/history', { params: { query }, ...withSignal(signal) }));
    },

    /** A page of conversations, the latest first. */
    async conversations(page: { limit: number; offset: number }) {
      return unwrap(await client.GET('/api/v1/conversations', { params: { query: page } }));
    },

    /** One conversation with its latest messages, oldest first; those before one of them if it is named. */
    async conversation(id: string, part: { limit: number; before?: string }, signal?: AbortSignal): Promise<Conversation> {
      return unwrap(await client.GET('/api/v1/conversations/{id}', { params: { path: { id }, query: part }, ...withSignal(signal) }));
    },

    /** Renames a conversation, pins it to the top of the list, or shows another version of it. */
    async changeConversation(id: string, change: components['schemas']['ConversationChange'], signal?: AbortSignal) {
      const options = { params: { path: { id } }, body: change, ...withSignal(signal) };
      return unwrap(await client.PATCH('/api/v1/conversations/{id}', options));
    },

    /** Deletes a conversation with all its messages. With `keepalive`, also when the page goes away meanwhile. */
    async deleteConversation(id: string, keepalive = false): Promise<void> {
      unwrap(await client.DELETE('/api/v1/conversations/{id}', { params: { path: { id } }, keepalive }));
    },

    /** Counts the tokens that a question would take. */
    async countTokens(body: GenerateRequest, signal?: AbortSignal): Promise<TokenCount> {
      return unwrap(await client.POST('/api/v1/count-tokens', { body, ...withSignal(signal) }));
    },

    /**
     * Asks a question and yields the events of its answer, the last of which is `done`.
     * Aborting `signal` hangs up, and the model stops.
     * Throws {@link ApiError} where the API refuses or gives up, {@link ApiUnreachable} or {@link StreamInterrupted} where the line fails.
     */
    async *generateCodeStreaming(body: GenerateRequest, signal: AbortSignal): AsyncGenerator<Frame, void, undefined> {
      // Not `AbortSignal.any`: WebKit may collect the joined signal while the stream that follows it is still read.
      const line = new AbortController();
      const hangUp = () => line.abort(signal.reason);
      signal.addEventListener('abort', hangUp, { once: true });
      if (signal.aborted) hangUp();
      const options = { body, signal: line.signal, parseAs: 'stream' } as const;
      const stream = unwrap(await client.POST('/api/v1/generate-code-streaming', options));
      if (!stream) throw new StreamInterrupted();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const listen = () => {
        clearTimeout(timer);
        timer = setTimeout(() => line.abort(), STREAM_IDLE_MS);
      };
      try {
        listen();
        for await (const data of parseSse(stream, line.signal)) {
          listen();
          const frame = JSON.parse(data) as Frame;
          if (frame.type === 'error') throw new ApiError(frame.metadata);
          yield frame;
          if (frame.type === 'done') return;
        }
      } catch (error) {
        if (error instanceof ApiError || signal.aborted) throw error;
        throw new StreamInterrupted(error);
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', hangUp);
      }
      throw new StreamInterrupted();
    },
  };
}

/** Whether `error` is what an aborted signal makes of a request. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

function withSignal(signal: AbortSignal | undefined) {
  return signal ? { signal } : {};
}

/** The data of a response that went well. */
function unwrap<T>(result: { data?: T; error?: unknown; response: Response }): T {
  if (result.response.ok) return result.data as T;
  const retryAfter = Number(result.response.headers.get('Retry-After') ?? undefined);
  throw new ApiError(result.error, Number.isFinite(retryAfter) ? retryAfter : undefined);
}
