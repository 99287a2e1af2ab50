/** `--resume` and `--restart`: what to do with the progress of work that was stopped. */
import { UsageError } from '../errors.ts';

/** Definitions. */
export const resumeOptions = {
  resume: { type: 'boolean', description: 'continue work that was stopped' },
  restart: { type: 'boolean', description: 'begin anew where work was stopped' },
} as const;

/** What the definitions give. */
export interface GivenResume {
  readonly resume?: boolean;
  readonly restart?: boolean;
}

/**
 * The `resume` of the library: `undefined` where neither was given, and progress is refused.
 * @throws {UsageError} where both were given.
 */
export function parseResume({ resume = false, restart = false }: GivenResume): boolean | undefined {
  if (resume && restart) throw new UsageError('--resume and --restart exclude each other: give one of them.');
  if (resume) return true;
  return restart ? false : undefined;
}
