/** One compared quantity of a golden case: its largest error against its tolerance. */
import type { RuntimeTensor } from '../../src/runtime/runtime.ts';

/** A quantity with its error; it passes if the error is at most the tolerance. */
export interface Quantity {
  readonly name: string;
  readonly error: number;
  readonly tolerance: number;
}

/** Values of a tensor as numbers. */
export const numbersOf = ({ data }: RuntimeTensor): number[] => Array.from(data as ArrayLike<number | bigint>, Number);

/** Whether a quantity is within its tolerance; errors that are not numbers never are. */
export const passes = ({ error, tolerance }: Quantity): boolean => error <= tolerance;

/** Largest absolute difference, relative to the largest expected value. */
export function relativeToLargest(
  name: string,
  actual: RuntimeTensor | undefined,
  expected: RuntimeTensor,
  tolerance: number,
): Quantity {
  if (actual === undefined || actual.data.length !== expected.data.length) return { name, error: Infinity, tolerance };
  const values = numbersOf(actual);
  const wanted = numbersOf(expected);
  const largest = Math.max(...wanted.map(Math.abs));
  const errors = values.map((value, index) => Math.abs(value - (wanted[index] ?? 0)));
  if (errors.some(Number.isNaN)) return { name, error: Number.NaN, tolerance };
  const worst = Math.max(0, ...errors);
  return { name, error: worst === 0 ? 0 : worst / largest, tolerance };
}

/** A number that must be equal. */
export function exactly(name: string, actual: number, expected: number): Quantity {
  return { name, error: Math.abs(actual - expected), tolerance: 0 };
}

/**
 * Source maps `[B, kept, N0]` of 0 and 1 that must hold the same rows per image; counts those that
 * differ. Their order is left free: the authors' code sorts tokens also where it then removes none,
 * which changes nothing but the order.
 */
export function sameRows(name: string, actual: RuntimeTensor | undefined, expected: RuntimeTensor): Quantity {
  if (actual === undefined || actual.shape.join() !== expected.shape.join())
    return { name, error: Infinity, tolerance: 0 };
  const [images = 0, kept = 0, width = 0] = expected.shape;
  const rowsOf = ({ data }: RuntimeTensor, image: number): string[] =>
    Array.from({ length: kept }, (_, row) =>
      Array.from(data.slice((image * kept + row) * width, (image * kept + row + 1) * width), Number).join(''),
    ).sort();
  let error = 0;
  for (let image = 0; image < images; image++) {
    const wanted = rowsOf(expected, image);
    error += rowsOf(actual, image).filter((row, index) => row !== wanted[index]).length;
  }
  return { name, error, tolerance: 0 };
}

/**
 * The rows of `actual [B, K, C]`, or `[B, K]`, per image in the order that comes closest to
 * `expected`: each expected row takes the nearest of those that are left.
 */
export function orderedAs(expected: RuntimeTensor, actual: RuntimeTensor | undefined): RuntimeTensor | undefined {
  if (actual === undefined || actual.data.length !== expected.data.length) return actual;
  const [images = 0, kept = 0] = expected.shape;
  const [wanted, found] = [numbersOf(expected), numbersOf(actual)];
  const width = wanted.length / images / kept;
  const ordered: number[] = [];
  for (let image = 0; image < images; image++) {
    const rowOf = (values: readonly number[], row: number): number[] =>
      values.slice((image * kept + row) * width, (image * kept + row + 1) * width);
    const left = new Set(Array.from({ length: kept }, (_, row) => row));
    for (let row = 0; row < kept; row++) {
      const own = rowOf(wanted, row);
      const distance = (other: number): number =>
        Math.max(...rowOf(found, other).map((value, channel) => Math.abs(value - (own[channel] ?? 0))));
      const nearest = [...left].reduce((best, other) => (distance(other) < distance(best) ? other : best));
      left.delete(nearest);
      ordered.push(...rowOf(found, nearest));
    }
  }
  return { type: 'float32', shape: expected.shape, data: Float32Array.from(ordered) };
}
