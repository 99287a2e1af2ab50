/**
 * Errors that a user is meant to read: one sentence that says what is wrong, where, and what to do.
 * The command line prints the sentence alone; anything else that is thrown is a defect of this library.
 */

/** A failure that the user can mend: bad input, a missing file, an unreachable target. */
export class DiffrateError extends Error {
  override name = 'DiffrateError';
}

/** The command line or an option was used wrongly (exit code 2 instead of 1). */
export class UsageError extends DiffrateError {
  override name = 'UsageError';
}

/** The message of anything that was thrown, for building a sentence around it. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
