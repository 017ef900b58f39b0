// Running an action whose failure is part of the state, not an exception.

/** Runs `action`. Returns its error, or undefined if it succeeded. */
export async function attempt(action: () => Promise<unknown>): Promise<Error | undefined> {
  try {
    await action();
    return undefined;
  } catch (error) {
    return toError(error);
  }
}

/** What was thrown, as an error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
