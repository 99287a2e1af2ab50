/** Matrix products, and the convolution that is one over patches. */
import { DiffrateError } from '../../errors.ts';
import { broadcastShapes } from '../shapes.ts';
import { formatShape, makeSingle } from '../tensor.ts';
import type { Dimension, Tensor } from '../tensor.ts';

/**
 * Matrix product over the last two axes, `[…, M, K] × […, K, N] → […, M, N]`; leading axes
 * broadcast.
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

/**
 * Matrix product with a bias: `x·W + b`, or `x·Wᵀ + b` with `transposeB`; one operator, so that the
 * bias costs no pass of its own.
 * @param a `[M, K]`
 * @param b `[K, N]`, or `[N, K]` with `transposeB`
 * @param c bias `[N]`
 * @param scale of the product.
 * @throws {DiffrateError} where K or N differs, naming the shapes.
 */
export function gemm(a: Tensor, b: Tensor, c: Tensor | undefined, transposeB = false, scale = 1): Tensor {
  const [inner, columns] = transposeB ? [b.shape[1], b.shape[0]] : [b.shape[0], b.shape[1]];
  const fits = a.shape.length === 2 && b.shape.length === 2 && a.shape[1] === inner;
  if (!fits || (c !== undefined && (c.shape.length !== 1 || c.shape[0] !== columns))) {
    const bias = c === undefined ? '' : ` with a bias of ${formatShape(c.shape)}`;
    throw new DiffrateError(
      `Gemm cannot multiply ${formatShape(a.shape)} by ${formatShape(b.shape)}${transposeB ? ' transposed' : ''}${bias}: the inner sizes must be equal and the bias as long as a row.`,
    );
  }
  const shape = [a.shape[0] as Dimension, columns as Dimension];
  return makeSingle(
    'Gemm',
    c === undefined ? [a, b] : [a, b, c],
    { type: a.type, shape },
    { transB: { int: transposeB ? 1 : 0 }, ...(scale === 1 ? {} : { alpha: { float: scale } }) },
  );
}

/**
 * Convolution without padding, of patches that do not overlap:
 * `[B, I, H, W] → [B, O, ⌊H / P⌋, ⌊W / P⌋]`.
 * @param weight `[O, I, P, P]`; the stride is P.
 * @param bias `[O]`
 * @throws {DiffrateError} where shapes do not fit, naming them.
 */
export function conv(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const [batch, channels, height, width] = x.shape;
  const [outputs, inputs, patch, other] = weight.shape;
  const fits =
    x.shape.length === 4 &&
    weight.shape.length === 4 &&
    channels === inputs &&
    patch === other &&
    bias.shape.length === 1 &&
    bias.shape[0] === outputs;
  const along = (size: Dimension | undefined): number => Math.floor(Number(size) / Number(patch));
  if (!fits || !(along(height) >= 1) || !(along(width) >= 1)) {
    throw new DiffrateError(
      `Conv cannot cut ${formatShape(x.shape)} into patches of a weight ${formatShape(weight.shape)} with a bias of ${formatShape(bias.shape)}: channels must be equal, patches square and no larger than the image, the bias as long as the outputs.`,
    );
  }
  const size = Number(patch);
  return makeSingle(
    'Conv',
    [x, weight, bias],
    { type: x.type, shape: [batch as Dimension, outputs as Dimension, along(height), along(width)] },
    { kernel_shape: { ints: [size, size] }, strides: { ints: [size, size] } },
  );
}
