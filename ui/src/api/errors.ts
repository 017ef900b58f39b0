// Errors of the API client: rejected by the API, unreachable, or interrupted.
import type { components } from './schema';

type ErrorBody = components['schemas']['Problem'];

/** The machine-readable code: the API's `error_details.reason` or, without one, its `error_code`. */
export type ApiErrorCode = components['schemas']['Reason'] | components['schemas']['ErrorCode'] | 'UNKNOWN';

/** An error response of the API. */
export class ApiError extends Error {
  /** The code to branch on. */
  readonly code: ApiErrorCode;
  /** Seconds after which a retry makes sense. */
  readonly retryAfter: number | undefined;
  /** The incident id, which finds the error in the API's log. */
  readonly incidentId: string | undefined;

  constructor(body: unknown, retryAfter?: number) {
    const problem = isErrorBody(body) ? body : undefined;
    super(problem ? messageOf(problem) : '');
    this.name = 'ApiError';
    const details = problem?.error_details;
    this.code = (details?.['reason'] as ApiErrorCode | undefined) ?? problem?.error_code ?? 'UNKNOWN';
    this.incidentId = typeof details?.['incident_id'] === 'string' ? details['incident_id'] : undefined;
    this.retryAfter = retryAfter;
  }
}

/** The API did not respond. */
export class ApiUnreachable extends Error {
  constructor(cause?: unknown) {
    super('the API does not answer', { cause });
    this.name = 'ApiUnreachable';
  }
}

/** A stream ended before its final event. */
export class StreamInterrupted extends Error {
  constructor(cause?: unknown) {
    super('the answer broke off', { cause });
    this.name = 'StreamInterrupted';
  }
}

function isErrorBody(body: unknown): body is ErrorBody {
  return typeof body === 'object' && body !== null && 'error_message' in body && 'error_code' in body;
}

/** The error message, followed by the messages of invalid fields. */
function messageOf(body: ErrorBody): string {
  const fields = Object.values(body.error_details ?? {}).filter((value) => Array.isArray(value));
  const wrong = fields.flat().filter((value) => typeof value === 'string');
  return wrong.length > 0 ? `${body.error_message}: ${wrong.join(', ')}` : body.error_message;
}
