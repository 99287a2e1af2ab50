/**
 * Errors that a user is meant to read: one sentence that says what is wrong, where, and what to do.
 * What to do is said in terms of this library: names of its options and functions stand in
 * backticks, so that a program can put its own words there. Anything else that is thrown is a
 * defect of this library.
 */

/** A failure that the user can mend: bad input, a missing file, an unreachable target. */
export class DiffrateError extends Error {
  override name = 'DiffrateError';

  /** Options and functions of this library that the sentence advises, in its order: `weights`. */
  get advice(): readonly string[] {
    return Array.from(this.message.matchAll(/`([\w: ]+)`/g), ([, name = '']) => name);
  }
}

/** An option was used wrongly, which is known without trying (exit code 2 instead of 1). */
export class UsageError extends DiffrateError {
  override name = 'UsageError';
}

/** The message of anything that was thrown, for building a sentence around it. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
