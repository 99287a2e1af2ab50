/**
 * Options that a function does not have: callers without types misspell them, or mean another
 * function's.
 */
import { UsageError } from '../errors.ts';
import { nearest } from './nearest.ts';

/** The names of an options type, each once. */
export type OptionNames<Options> = Readonly<Record<keyof Required<Options>, true>>;

/**
 * Refuses options that are not known.
 * @param what the work in a sentence: `search`.
 * @throws {UsageError} that names the first of them, and the option that was probably meant.
 */
export function requireKnownOptions<Options extends object>(
  options: Options,
  names: OptionNames<Options>,
  what: string,
): void {
  const known = Object.keys(names);
  const unknown = Object.keys(options ?? {}).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const near = nearest(unknown, known);
  const advice = near === undefined ? `it has ${known.join(', ')}` : `did you mean ${near}?`;
  throw new UsageError(`The ${what} has no option "${unknown}": ${advice}${near === undefined ? '.' : ''}`);
}
