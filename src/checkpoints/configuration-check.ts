/** Checks a parsed configuration file against a schema, with one sentence for whatever is wrong. */
import * as v from 'valibot';
import { DiffrateError } from '../errors.ts';

/** A whole number of at least 1. */
export const positiveInteger = v.pipe(v.number(), v.safeInteger('a whole number'), v.minValue(1, 'at least 1'));

/** Three numbers, one per colour channel. */
export const perChannel = v.strictTuple([v.number(), v.number(), v.number()]);

/**
 * The value, as its schema describes it.
 * @param file path of the configuration file, for the error sentence.
 * @throws {DiffrateError} that names the file, the first member that is missing or wrong, and what
 *   it must be.
 */
export function checkConfiguration<const Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
  file: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const member = `"${v.getDotPath(issue) ?? 'its content'}"`;
  if (issue.received === 'undefined') {
    throw new DiffrateError(`${file} has no ${member}: add it, or download the file again.`);
  }
  const expected = issue.kind === 'validation' ? issue.message : (issue.expected ?? 'something else');
  throw new DiffrateError(
    `${file}: ${member} is ${issue.received} where ${expected} is supported: correct it, or use another model.`,
  );
}
