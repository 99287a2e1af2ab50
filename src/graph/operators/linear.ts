/** Matrix product and convolution. */
import { DiffrateError } from '../../errors.ts';
import { broadcastShapes } from '../shapes.ts';
import { formatShape, makeSingle } from '../tensor.ts';
import type { Dimension, Tensor } from '../tensor.ts';

/**
 * Matrix product over the last two axes, `[…, M, K] × […, K, N] → […, M, N]`; leading axes broadcast.
 * @throws {DiffrateError} where K differs, naming both shapes.
 */
export function matMul(a: Tensor, b: Tensor): Tensor {
  if (a.shape.length < 2 || b.shape.length < 2 || a.shape.at(-1) !== b.shape.at(-2)) {
    throw new DiffrateError(
      `MatMul cannot multiply ${formatShape(a.shape)} by ${formatShape(b.shape)}: the inner sizes must be equal.`,
    );
  }
  const leading = broadcastShapes('MatMul', a.shape.slice(0, -2), b.shape.slice(0, -2));
  return makeSingle('MatMul', [a, b], {
    type: a.type,
    shape: [...leading, a.shape.at(-2) as Dimension, b.shape.at(-1) as Dimension],
  });
}
