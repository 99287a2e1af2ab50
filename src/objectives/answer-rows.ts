/** Answers come as flat `[n, D]` arrays: their rows, and the check that they are numbers. */
import { DiffrateError } from '../errors.ts';

/**
 * Checks that every answer is a number.
 * @throws {DiffrateError} where one is NaN or infinite.
 */
export function requireFinite(answers: Float32Array): void {
  if (answers.every((value) => Number.isFinite(value))) return;
  throw new DiffrateError(
    'The network gave answers that are no finite numbers: its weights are damaged or too large for their data type.',
  );
}

/**
 * Rows of `[n, size]`, which share its memory.
 * @throws {RangeError} where the length is not a whole number of rows.
 */
export function rowsOf(values: Float32Array, size: number): Float32Array[] {
  const count = values.length / size;
  if (!Number.isInteger(count))
    throw new RangeError(`${values.length} numbers are not a whole number of rows of ${size}`);
  return Array.from({ length: count }, (_, row) => values.subarray(row * size, (row + 1) * size));
}

/**
 * Rows of a network's answers `[n, size]` beside the reference's on the same images, all checked.
 * @throws {DiffrateError} where an answer is NaN or infinite.
 * @throws {RangeError} where lengths do not fit.
 */
export function rowPairs(
  answers: Float32Array,
  reference: Float32Array,
  size: number,
): (readonly [answer: Float32Array, reference: Float32Array])[] {
  if (answers.length !== reference.length)
    throw new RangeError(`${answers.length} answers do not fit ${reference.length} of the reference`);
  requireFinite(answers);
  requireFinite(reference);
  const plain = rowsOf(reference, size);
  return rowsOf(answers, size).map((row, image) => [row, plain[image] as Float32Array]);
}
