// What can go wrong between the window and the API, as three kinds of errors.
import type { components } from './schema';

type Body = components['schemas']['Problem'];

/** A word to branch on: the API's `error_details.reason` or, where it gives none, its `error_code`. */
export type ProblemCode = components['schemas']['Reason'] | components['schemas']['ErrorCode'] | 'UNKNOWN';

/** The API said no, in its own words. */
export class Problem extends Error {
  /** What clients branch on. */
  readonly code: ProblemCode;
  /** Seconds after which asking again makes sense. */
  readonly retryAfter: number | undefined;
  /** The id under which the API's log has more. */
  readonly incident: string | undefined;

  constructor(body: unknown, retryAfter?: number) {
    const problem = isBody(body) ? body : undefined;
    super(problem ? sentence(problem) : '');
    this.name = 'Problem';
    const details = problem?.error_details;
    this.code = (details?.['reason'] as ProblemCode | undefined) ?? problem?.error_code ?? 'UNKNOWN';
    this.incident = typeof details?.['incident_id'] === 'string' ? details['incident_id'] : undefined;
    this.retryAfter = retryAfter;
  }
}

/** Nobody answered: the API is not there, or not any more. */
export class Unreachable extends Error {
  constructor(cause?: unknown) {
    super('the API does not answer', { cause });
    this.name = 'Unreachable';
  }
}

/** An answer broke off without a last word. */
export class BrokenOff extends Error {
  constructor(cause?: unknown) {
    super('the answer broke off', { cause });
    this.name = 'BrokenOff';
  }
}

function isBody(body: unknown): body is Body {
  return typeof body === 'object' && body !== null && 'error_message' in body && 'error_code' in body;
}

/** The message, and what is wrong with each field where the API tells. */
function sentence(body: Body): string {
  const fields = Object.values(body.error_details ?? {}).filter((value) => Array.isArray(value));
  const wrong = fields.flat().filter((value) => typeof value === 'string');
  return wrong.length > 0 ? `${body.error_message}: ${wrong.join(', ')}` : body.error_message;
}
