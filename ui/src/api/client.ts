// The API client: one typed function per endpoint, with errors as distinct classes.
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

/** Idle timeout of a stream, in milliseconds: the API sends a keep-alive every 10 s. */
const STREAM_IDLE_MS = 45_000;

/** Connects to the API at `baseUrl` with `key`. `language` is read before each request and sets the language of error messages. */
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
    /** Health of the API: models, devices, memory. */
    async healthDetailed(signal?: AbortSignal): Promise<DetailedHealth> {
      return unwrap(await client.GET('/health/detailed', withSignal(signal)));
    },

    /** Installed models, assigned ones first, and the catalogue. */
    async models(signal?: AbortSignal) {
      return unwrap(await client.GET('/api/v1/models', withSignal(signal)));
    },

    /** Assigns a model to a role and starts loading it. */
    async loadModel(id: string, role: Role, signal?: AbortSignal) {
      return unwrap(await client.POST('/api/v1/models/{id}/load', { params: { path: { id } }, body: { role }, ...withSignal(signal) }));
    },

    /** Unloads a model from memory. */
    async unloadModel(id: string, signal?: AbortSignal) {
      return unwrap(await client.POST('/api/v1/models/{id}/unload', { params: { path: { id } }, ...withSignal(signal) }));
    },

    /** Deletes a model's file. */
    async removeModel(id: string, signal?: AbortSignal) {
      return unwrap(await client.DELETE('/api/v1/models/{id}', { params: { path: { id } }, ...withSignal(signal) }));
    },

    /** Compares a model's SHA-256 with the expected one; takes seconds per GiB. */
    async verifyModel(id: string, signal?: AbortSignal) {
      return unwrap(await client.POST('/api/v1/models/{id}/verify', { params: { path: { id } }, ...withSignal(signal) }));
    },

    /** Starts a download. */
    async download(body: components['schemas']['DownloadRequest'], signal?: AbortSignal) {
      return unwrap(await client.POST('/api/v1/models/downloads', { body, ...withSignal(signal) }));
    },

    /** Pauses or resumes a download. */
    async pauseDownload(id: string, paused: boolean, signal?: AbortSignal) {
      return unwrap(await client.PATCH('/api/v1/models/downloads/{id}', { params: { path: { id } }, body: { paused }, ...withSignal(signal) }));
    },

    /** Cancels a download, or removes a finished one from the list. */
    async cancelDownload(id: string, signal?: AbortSignal) {
      return unwrap(await client.DELETE('/api/v1/models/downloads/{id}', { params: { path: { id } }, ...withSignal(signal) }));
    },

    /** Yields the list of downloads, first at once and then on every change. */
    async *downloads(signal: AbortSignal): AsyncGenerator<components['schemas']['DownloadsResponse'], void, undefined> {
      const stream = unwrap(await client.GET('/api/v1/models/downloads', { signal, parseAs: 'stream' }));
      if (!stream) return;
      for await (const data of parseSse(stream, signal)) yield JSON.parse(data) as components['schemas']['DownloadsResponse'];
    },

    /** Uploads a model file; `onprogress` receives the bytes sent so far. */
    async importModel(file: File, onprogress: (sent: number) => void, signal: AbortSignal): Promise<void> {
      const url = `${baseUrl}/api/v1/models/imports/${encodeURIComponent(file.name)}`;
      const headers = { 'X-API-Key': key, 'Accept-Language': language() };
      const response = await upload({ url, headers, file, onprogress, signal });
      unwrap({ response, error: response.ok ? undefined : await response.json().catch(() => undefined) });
    },

    /** Metrics of the last hour, or those after `since`, in milliseconds since the epoch. */
    async metricsSeries(since: number | undefined, signal?: AbortSignal) {
      const query = since === undefined ? {} : { since };
      return unwrap(await client.GET('/api/v1/metrics/series', { params: { query }, ...withSignal(signal) }));
    },

    /** Request metrics by endpoint. */
    async endpointMetrics(signal?: AbortSignal) {
      return unwrap(await client.GET('/api/v1/metrics/endpoints', withSignal(signal)));
    },

    /** Error counts and recent incidents. */
    async errorSummary(signal?: AbortSignal): Promise<ErrorSummary> {
      return unwrap(await client.GET('/api/v1/errors/dashboard', withSignal(signal)));
    },

    /** Log lines, the newest last. */
    async logs(query: NonNullable<paths['/api/v1/logs']['get']['parameters']['query']>, signal?: AbortSignal) {
      return unwrap(await client.GET('/api/v1/logs', { params: { query }, ...withSignal(signal) }));
    },

    /** Runs all checks of the installation. */
    async doctor(signal?: AbortSignal): Promise<Diagnosis> {
      return unwrap(await client.GET('/api/v1/doctor', withSignal(signal)));
    },

    /** Disk usage of the data folder. */
    async storage(signal?: AbortSignal): Promise<StorageUsage> {
      return unwrap(await client.GET('/api/v1/storage', withSignal(signal)));
    },

    /** The history as the text of an export file. */
    async exportHistory(query: ExportQuery, signal?: AbortSignal): Promise<string> {
      return unwrap(await client.GET('/api/v1/user/history/export', { params: { query }, parseAs: 'text', ...withSignal(signal) })) as string;
    },

    /** Imports a history file. Existing entries are never changed. */
    async importHistory(body: HistoryFile, signal?: AbortSignal): Promise<ImportResult> {
      return unwrap(await client.POST('/api/v1/user/history/import', { body, ...withSignal(signal) }));
    },

    /** Searches the hub for repositories with model files. */
    async searchHub(query: string, signal?: AbortSignal) {
      return unwrap(await client.GET('/api/v1/models/hub', { params: { query: { query } }, ...withSignal(signal) }));
    },

    /** Model files of a repository, given as `owner/name`. */
    async hubFiles(repository: string, signal?: AbortSignal) {
      const [owner = '', name = ''] = repository.split('/');
      return unwrap(await client.GET('/api/v1/models/hub/{owner}/{name}', { params: { path: { owner, name } }, ...withSignal(signal) }));
    },

    /** The current settings. */
    async settings(signal?: AbortSignal) {
      return unwrap(await client.GET('/api/v1/settings', withSignal(signal)));
    },

    /** Changes settings. */
    async changeSettings(body: SettingsPatch, signal?: AbortSignal) {
      return unwrap(await client.PATCH('/api/v1/settings', { body, ...withSignal(signal) }));
    },

    /** The user's profile: how answers should be written. */
    async profile(signal?: AbortSignal): Promise<Profile> {
      return unwrap(await client.GET('/api/v1/users/profile', withSignal(signal)));
    },

    /** Saves the profile; absent fields are reset to their defaults. */
    async saveProfile(body: ProfileFields, signal?: AbortSignal): Promise<Profile> {
      return unwrap(await client.PUT('/api/v1/users/profile', { body, ...withSignal(signal) }));
    },

    /** The API keys. */
    async keys(signal?: AbortSignal) {
      return unwrap(await client.GET('/api/v1/keys', withSignal(signal)));
    },

    /** Creates an API key; its secret is in this response only. */
    async createKey(body: components['schemas']['KeyRequest'], signal?: AbortSignal): Promise<CreatedKey> {
      return unwrap(await client.POST('/api/v1/keys', { body, ...withSignal(signal) }));
    },

    /** Revokes an API key. */
    async revokeKey(id: string, signal?: AbortSignal): Promise<void> {
      unwrap(await client.DELETE('/api/v1/keys/{id}', { params: { path: { id } }, ...withSignal(signal) }));
    },

    /** Status of the remote server. */
    async remote(signal?: AbortSignal): Promise<Remote> {
      return unwrap(await client.GET('/api/v1/remote', withSignal(signal)));
    },

    /** Tests the connection to the remote server. */
    async testRemote(signal?: AbortSignal): Promise<Remote> {
      return unwrap(await client.POST('/api/v1/remote/try', withSignal(signal)));
    },

    /** Stores the remote server's API key. */
    async saveRemoteKey(key: string, signal?: AbortSignal): Promise<Remote> {
      return unwrap(await client.PUT('/api/v1/remote/key', { body: { key }, ...withSignal(signal) }));
    },

    /** Deletes the remote server's API key. */
    async removeRemoteKey(signal?: AbortSignal): Promise<Remote> {
      return unwrap(await client.DELETE('/api/v1/remote/key', withSignal(signal)));
    },

    /** Deletes the whole history. */
    async deleteHistory(signal?: AbortSignal): Promise<void> {
      unwrap(await client.DELETE('/api/v1/user/history', { body: { confirm: true }, ...withSignal(signal) }));
    },

    /** Checks code. */
    async validate(body: components['schemas']['ValidateRequest'], signal?: AbortSignal): Promise<Validation> {
      return unwrap(await client.POST('/api/v1/validate-code', { body, ...withSignal(signal) }));
    },

    /** Stores feedback on an answer. */
    async submitFeedback(body: components['schemas']['FeedbackRequest'], signal?: AbortSignal): Promise<void> {
      unwrap(await client.POST('/api/v1/submit-feedback', { body, ...withSignal(signal) }));
    },

    /** A page of the history, newest first. */
    async history(query: NonNullable<paths['/api/v1/user/history']['get']['parameters']['query']>, signal?: AbortSignal) {
      return unwrap(await client.GET('/api/v1/user/history', { params: { query }, ...withSignal(signal) }));
    },

    /** A page of conversations, newest first. */
    async conversations(page: { limit: number; offset: number }) {
      return unwrap(await client.GET('/api/v1/conversations', { params: { query: page } }));
    },

    /** A conversation with its latest messages, oldest first, or with those before the message `before`. */
    async conversation(id: string, page: { limit: number; before?: string }, signal?: AbortSignal): Promise<Conversation> {
      return unwrap(await client.GET('/api/v1/conversations/{id}', { params: { path: { id }, query: page }, ...withSignal(signal) }));
    },

    /** Renames or pins a conversation, or switches the shown version. */
    async changeConversation(id: string, change: components['schemas']['ConversationChange'], signal?: AbortSignal) {
      const options = { params: { path: { id } }, body: change, ...withSignal(signal) };
      return unwrap(await client.PATCH('/api/v1/conversations/{id}', options));
    },

    /** Deletes a conversation with its messages. With `keepalive` the request outlives the page. */
    async deleteConversation(id: string, keepalive = false): Promise<void> {
      unwrap(await client.DELETE('/api/v1/conversations/{id}', { params: { path: { id } }, keepalive }));
    },

    /** Counts the tokens of a prompt without generating. */
    async countTokens(body: GenerateRequest, signal?: AbortSignal): Promise<TokenCount> {
      return unwrap(await client.POST('/api/v1/count-tokens', { body, ...withSignal(signal) }));
    },

    /**
     * Sends a question and yields the events of its answer, the last of which is `done`. Aborting `signal` cancels the generation.
     * Throws {@link ApiError} if the API rejects or fails the request, {@link ApiUnreachable} or {@link StreamInterrupted} if the
     * connection fails.
     */
    async *generateCodeStreaming(body: GenerateRequest, signal: AbortSignal): AsyncGenerator<Frame, void, undefined> {
      // Not `AbortSignal.any`: WebKit may collect the combined signal while the stream that follows it is still read.
      const connection = new AbortController();
      const cancel = () => connection.abort(signal.reason);
      signal.addEventListener('abort', cancel, { once: true });
      if (signal.aborted) cancel();
      const options = { body, signal: connection.signal, parseAs: 'stream' } as const;
      const stream = unwrap(await client.POST('/api/v1/generate-code-streaming', options));
      if (!stream) throw new StreamInterrupted();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const resetTimer = () => {
        clearTimeout(timer);
        timer = setTimeout(() => connection.abort(), STREAM_IDLE_MS);
      };
      try {
        resetTimer();
        for await (const data of parseSse(stream, connection.signal)) {
          resetTimer();
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
        signal.removeEventListener('abort', cancel);
      }
      throw new StreamInterrupted();
    },
  };
}

/** Whether `error` is the AbortError of an aborted request. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

function withSignal(signal: AbortSignal | undefined) {
  return signal ? { signal } : {};
}

/** The data of a successful response; throws {@link ApiError} otherwise. */
function unwrap<T>(result: { data?: T; error?: unknown; response: Response }): T {
  if (result.response.ok) return result.data as T;
  const retryAfter = Number(result.response.headers.get('Retry-After') ?? undefined);
  throw new ApiError(result.error, Number.isFinite(retryAfter) ? retryAfter : undefined);
}
