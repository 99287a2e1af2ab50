/**
 * Patch embedding: timm's `PatchEmbed`, a convolution of patches that do not overlap. Where its
 * weights are trained it is one matrix product over cut-out patches, which gives the same sums,
 * because a product has a gradient. Otherwise it is a convolution, because ONNX Runtime cuts
 * patches more slowly than it convolves.
 */
import { conv, reshape, slice, transpose } from '../graph/operators/index.ts';
import { constantBytes, dimensionAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { linear } from './linear.ts';
import type { Parameters } from './parameters.ts';

/** Embedded patches. */
export interface EmbeddedPatches {
  /** `[B, rows·columns, C]`, row by row. */
  readonly patches: Tensor;
  /** The first of them, `[B, 1, C]`: a class token takes its shape from it. */
  readonly first: Tensor;
}

/** Sizes of a patch embedding. */
export interface PatchEmbeddingSizes {
  /** Channels of the pixels. */
  readonly channels: number;
  /** Rows and columns of patches; pixels beyond the last whole patch are left out. */
  readonly grid: readonly [rows: number, columns: number];
  /** Side of a patch in pixels. */
  readonly patchSize: number;
  /** C */
  readonly width: number;
}

/**
 * Embeds the patches of `[B, channels, height, width]` with
 * `name.proj.weight [C, channels, patch, patch]` and `name.proj.bias`.
 */
export function patchEmbedding(
  pixels: Tensor,
  parameters: Parameters,
  name: string,
  { channels, grid: [rows, columns], patchSize: patch, width }: PatchEmbeddingSizes,
): EmbeddedPatches {
  const batch = dimensionAt(pixels, 0);
  const weight = parameters.tensor(`${name}.proj.weight`, [width, channels, patch, patch]);
  const bias = parameters.tensor(`${name}.proj.bias`, [width]);
  if (constantBytes(weight) !== undefined) {
    const map = conv(pixels, weight, bias);
    // This does not use the cut-out patches: ONNX Runtime would move their transposition behind the
    // shape of the batch, and so onto the CPU where the network runs on a GPU.
    const corner = slice(slice(map, 2, 0, 1), 3, 0, 1);
    return {
      patches: transpose(reshape(map, [batch, width, rows * columns]), [0, 2, 1]),
      first: reshape(corner, [batch, 1, width]),
    };
  }
  const whole = slice(slice(pixels, 2, 0, rows * patch), 3, 0, columns * patch);
  const cut = transpose(reshape(whole, [batch, channels, rows, patch, columns, patch]), [0, 2, 4, 1, 3, 5]);
  const flat = reshape(cut, [batch, rows * columns, channels * patch * patch]);
  const patches = linear(flat, { weight: reshape(weight, [width, channels * patch * patch]), bias });
  return { patches, first: slice(patches, 1, 0, 1) };
}
