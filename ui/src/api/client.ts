// The API as functions: typed by the OpenAPI document, with errors that can be told apart.
import createClient from 'openapi-fetch';

import { BrokenOff, Problem, Unreachable } from './problem';
import type { components, paths } from './schema';
import { events } from './sse';

export type GenerateRequest = components['schemas']['GenerateRequest'];
export type ConversationItem = components['schemas']['ConversationItem'];
export type Conversation = components['schemas']['ConversationResponse'];
export type HistoryItem = components['schemas']['HistoryItem'];
export type ModelItem = components['schemas']['ModelItem'];
export type DetailedHealth = components['schemas']['DetailedHealthResponse'];
export type Frame = components['schemas']['Frame'];

/** A connection to one running sidecar. */
export type Api = ReturnType<typeof connect>;

/** A stream that says nothing for so many milliseconds is dead: the API gives a sign of life every 10 s. */
const SILENCE = 45_000;

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
    onError: ({ error }) => (isAbort(error) ? undefined : new Unreachable(error)),
  });

  return {
    /** How the API is: its model, its devices, its memory. */
    async healthDetailed(signal?: AbortSignal): Promise<DetailedHealth> {
      return whole(await client.GET('/health/detailed', init(signal)));
    },

    /** The models that there are, those that were chosen first. */
    async models(signal?: AbortSignal) {
      return whole(await client.GET('/api/v1/models', init(signal)));
    },

    /** A page of conversations, the latest first. */
    async conversations(page: { limit: number; offset: number }) {
      return whole(await client.GET('/api/v1/conversations', { params: { query: page } }));
    },

    /** One conversation with its messages, oldest first. */
    async conversation(id: string, signal?: AbortSignal): Promise<Conversation> {
      return whole(await client.GET('/api/v1/conversations/{id}', { params: { path: { id } }, ...init(signal) }));
    },

    /** Deletes a conversation with all its messages. */
    async deleteConversation(id: string): Promise<void> {
      whole(await client.DELETE('/api/v1/conversations/{id}', { params: { path: { id } } }));
    },

    /**
     * Asks a question and yields the events of its answer, the last of which is `done`.
     * Aborting `signal` hangs up, and the model stops.
     * Throws {@link Problem} where the API refuses or gives up, {@link Unreachable} or {@link BrokenOff} where the line fails.
     */
    async *generateCodeStreaming(body: GenerateRequest, signal: AbortSignal): AsyncGenerator<Frame, void, undefined> {
      // Not `AbortSignal.any`: WebKit may collect the joined signal while the stream that follows it is still read.
      const line = new AbortController();
      const hangUp = () => line.abort(signal.reason);
      signal.addEventListener('abort', hangUp, { once: true });
      if (signal.aborted) hangUp();
      const options = { body, signal: line.signal, parseAs: 'stream' } as const;
      const stream = whole(await client.POST('/api/v1/generate-code-streaming', options));
      if (!stream) throw new BrokenOff();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const listen = () => {
        clearTimeout(timer);
        timer = setTimeout(() => line.abort(), SILENCE);
      };
      try {
        listen();
        for await (const data of events(stream, line.signal)) {
          listen();
          const frame = JSON.parse(data) as Frame;
          if (frame.type === 'error') throw new Problem(frame.metadata);
          yield frame;
          if (frame.type === 'done') return;
        }
      } catch (error) {
        if (error instanceof Problem || signal.aborted) throw error;
        throw new BrokenOff(error);
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', hangUp);
      }
      throw new BrokenOff();
    },
  };
}

/** Whether `error` is what an aborted signal makes of a request. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

function init(signal: AbortSignal | undefined) {
  return signal ? { signal } : {};
}

/** The data of a response that went well. */
function whole<T>(result: { data?: T; error?: unknown; response: Response }): T {
  if (result.response.ok) return result.data as T;
  const retryAfter = Number(result.response.headers.get('Retry-After') ?? undefined);
  throw new Problem(result.error, Number.isFinite(retryAfter) ? retryAfter : undefined);
}
