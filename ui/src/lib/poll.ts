// Polling with cancellation.
import { toError } from './attempt';


/** A poll: what is fetched, and what happens with each result. */
export interface Poll<T> {
  /** Ends polling when it is aborted; results that arrive later are dropped. */
  signal: AbortSignal;
  /** Milliseconds from one result to the next request, read after each; undefined ends polling. */
  interval: () => number | undefined;
  fetch: (signal: AbortSignal) => Promise<T>;
  apply: (result: T) => void;
  /** A request failed. Polling goes on. */
  onerror: (error: Error) => void;
}

/** Fetches and applies again and again. Resolves when polling ends; never rejects. */
export async function poll<T>({ signal, interval, fetch, apply, onerror }: Poll<T>): Promise<void> {
  while (!signal.aborted) {
    try {
      const result = await fetch(signal);
      if (signal.aborted) return;
      apply(result);
    } catch (error) {
      if (signal.aborted) return;
      onerror(toError(error));
    }
    const ms = interval();
    if (ms === undefined) return;
    await sleep(ms, signal);
  }
}

/** Resolves after `ms`, or at once when `signal` is aborted. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
