// A router for the fake API whose paths, methods, statuses and bodies are those of the OpenAPI document: a wrong one does not compile.
import type { components, paths } from '../api/schema';

type Path = keyof paths;
type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** The methods of a path. */
type MethodOf<P extends Path> = { [M in Method]: paths[P][M] extends { responses: unknown } ? M : never }[Method];

type Operation<P extends Path, M extends Method> = NonNullable<paths[P][M]>;
type Responses<P extends Path, M extends Method> = Operation<P, M> extends { responses: infer R } ? R : never;

/** A documented status with a JSON body of its schema. */
export type Reply<P extends Path, M extends Method> = {
  [S in Extract<keyof Responses<P, M>, number>]: Responses<P, M>[S] extends { content: { 'application/json': infer B } } ? readonly [S, B] : never;
}[Extract<keyof Responses<P, M>, number>];

type RequestBody<P extends Path, M extends Method> =
  Operation<P, M> extends { requestBody?: { content: { 'application/json': infer B } } } ? B : undefined;

/** The names of a path's parameters. */
type ParameterOf<P extends string> = P extends `${string}{${infer Name}}${infer Rest}` ? Name | ParameterOf<Rest> : never;

/** A request as a handler receives it. */
export interface RouteRequest<P extends Path, M extends Method> {
  parameters: Record<ParameterOf<P>, string>;
  query: URLSearchParams;
  body: RequestBody<P, M>;
  signal: AbortSignal;
}

type Handler<P extends Path, M extends Method> = (request: RouteRequest<P, M>) => Reply<P, M> | Response | Promise<Response>;

/** A handler returns a documented status and body, or a response of its own, such as a stream or an error. */
export class Router {
  readonly #routes: { method: string; pattern: RegExp; handler: (request: never) => readonly [number, unknown] | Response | Promise<Response> }[] = [];

  on<P extends Path, M extends MethodOf<P>>(method: M, path: P, handler: Handler<P, M>): this {
    const pattern = new RegExp(`^${path.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`);
    this.#routes.push({ method: method.toUpperCase(), pattern, handler });
    return this;
  }

  /** Dispatches a request to the first route that matches; throws if there is none. */
  async dispatch(method: string, url: URL, body: unknown, signal: AbortSignal): Promise<Response> {
    for (const route of this.#routes) {
      const match = route.method === method ? route.pattern.exec(url.pathname) : null;
      if (!match) continue;
      const parameters = Object.fromEntries(Object.entries(match.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]));
      const reply = await route.handler({ parameters, query: url.searchParams, body, signal } as never);
      return reply instanceof Response ? reply : Response.json(reply[1], { status: reply[0] });
    }
    throw new Error(`the fake API has no ${method} ${url.pathname}`);
  }
}

/** Statuses of error responses. */
type ErrorStatus = 400 | 401 | 403 | 404 | 409 | 413 | 422 | 429 | 500 | 502 | 503;

/** An error response. */
export function refusal(
  status: ErrorStatus,
  code: components['schemas']['ErrorCode'],
  details: Record<string, unknown> | null = null,
  headers: HeadersInit = {},
): Response {
  const body = { status: 'error', error_message: `refused: ${code}`, error_code: code, error_details: details };
  return Response.json(body, { status, headers });
}
