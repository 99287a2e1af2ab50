/**
 * Shape rules shared by several operators: broadcasting, reduction, concatenation of dimensions.
 */
import { DiffrateError } from '../errors.ts';
import { formatShape, normalizeAxis } from './tensor.ts';
import type { Dimension, Shape } from './tensor.ts';

/**
 * NumPy's broadcasting, with named dimensions equal only to themselves.
 * @throws {DiffrateError} naming the operator and both shapes.
 */
export function broadcastShapes(operator: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, index): Dimension => {
    const left = a[index - rank + a.length] ?? 1;
    const right = b[index - rank + b.length] ?? 1;
    if (left === right || right === 1) return left;
    if (left === 1) return right;
    throw new DiffrateError(
      `${operator} cannot broadcast ${formatShape(a)} with ${formatShape(b)}; make axis ${index} equal or 1.`,
    );
  });
}

/** Shape after reducing some axes. */
export function reducedShape(shape: Shape, axes: readonly number[], keepDimensions: boolean): Shape {
  const reduced = new Set(axes.map((axis) => normalizeAxis(axis, shape.length)));
  if (keepDimensions) return shape.map((size, axis) => (reduced.has(axis) ? 1 : size));
  return shape.filter((_, axis) => !reduced.has(axis));
}

/** True where both shapes have the same rank and dimensions. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/**
 * The number of elements of a shape in parts: the product of its numbers, and its names in order
 * (`a*b`).
 */
export function factorsOf(shape: Shape): { readonly number: number; readonly names: string } {
  const factors = shape.flatMap((size) => String(size).split('*'));
  const isNumber = (factor: string): boolean => Number.isFinite(Number(factor));
  const number = factors.filter(isNumber).reduce((product, factor) => product * Number(factor), 1);
  const names = factors.filter((factor) => !isNumber(factor)).sort();
  return { number, names: names.join('*') };
}

/** Product of numbers and names; names stay symbolic (`batch*3`). */
export function multiplyDimensions(sizes: readonly Dimension[]): Dimension {
  const numbers = sizes.filter((size) => typeof size === 'number').reduce((product, size) => product * size, 1);
  const names = sizes
    .filter((size) => typeof size === 'string')
    .map((name) => (name.includes('+') ? `(${name})` : name));
  if (names.length === 0) return numbers;
  return [...names, ...(numbers === 1 ? [] : [String(numbers)])].join('*');
}
