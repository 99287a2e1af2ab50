/** What a call that must fail says. */
import { expect } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';

/** The message of a rejection that must be a DiffrateError. */
export async function rejectionSentence(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DiffrateError);
  return (error as DiffrateError).message;
}
