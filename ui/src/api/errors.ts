// What can go wrong between the window and the API, as three kinds of errors.
import type { components } from './schema';

type ErrorBody = components['schemas']['Problem'];

/** A word to branch on: the API's `error_details.reason` or, where it gives none, its `error_code`. */
export type ApiErrorCode = components['schemas']['Reason'] | components['schemas']['ErrorCode'] | 'UNKNOWN';

/** The API said no, in its own words. */
export class ApiError extends Error {
  /** What clients branch on. */
  readonly code: ApiErrorCode;
  /** Seconds after which asking again makes sense. */
  readonly retryAfter: number | undefined;
  /** The id under which the API's log has more. */
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

/** Nobody answered: the API is not there, or not any more. */
export class ApiUnreachable extends Error {
  constructor(cause?: unknown) {
    super('the API does not answer', { cause });
    this.name = 'ApiUnreachable';
  }
}

/** An answer broke off without a last word. */
export class StreamInterrupted extends Error {
  constructor(cause?: unknown) {
    super('the answer broke off', { cause });
    this.name = 'StreamInterrupted';
  }
}

function isErrorBody(body: unknown): body is ErrorBody {
  return typeof body === 'object' && body !== null && 'error_message' in body && 'error_code' in body;
}

/** The message, and what is wrong with each field where the API tells. */
function messageOf(body: ErrorBody): string {
  const fields = Object.values(body.error_details ?? {}).filter((value) => Array.isArray(value));
  const wrong = fields.flat().filter((value) => typeof value === 'string');
  return wrong.length > 0 ? `${body.error_message}: ${wrong.join(', ')}` : body.error_message;
}
