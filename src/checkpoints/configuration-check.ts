/** Checks a parsed configuration file against a schema, with one sentence for whatever is wrong. */
import * as v from 'valibot';
import { DiffrateError, quoted } from '../errors.ts';

/** A whole number of at least 1. */
export const positiveInteger = v.pipe(v.number(), v.safeInteger('a whole number'), v.minValue(1, 'at least 1'));

/** A number of blocks; far more than networks have would only cost time until it fits nothing. */
export const blockCount = v.pipe(positiveInteger, v.maxValue(1000, 'at most 1000'));

/**
 * The value, as its schema describes it. The sentence never invites to change the file: a network
 * that is computed in another way than it was trained loads and answers wrongly.
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
    `${file}: ${member} is ${quoted(issue.input)} where ${expected} is supported: download the file again, or use another model.`,
  );
}

/**
 * A member that asks for what is not supported.
 * @param supported what is: a few words, `"gelu", "relu"`.
 */
export function unsupported(file: string, member: string, value: unknown, supported: string): DiffrateError {
  return new DiffrateError(
    `${file}: "${member}" is ${quoted(value)}, but only ${supported} can be computed here: use another model.`,
  );
}
