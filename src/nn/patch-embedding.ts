/**
 * Patch embedding: timm's `PatchEmbed`, a convolution of patches that do not overlap. Where its weights are trained it is written as one matrix
 * product over cut-out patches, the same sums, because a product has a gradient; ONNX Runtime cuts patches more slowly than it convolves.
 */
import { conv, reshape, slice, transpose } from '../graph/operators/index.ts';
import { constantBytes, dimensionAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { linear } from './linear.ts';
import type { Parameters } from './parameters.ts';

/** Embedded patches. */
export interface EmbeddedPatches {
  /** `[B, (S / patch)², C]` */
  readonly patches: Tensor;
  /** The first of them, `[B, 1, C]`: a class token takes the shape of it. */
  readonly first: Tensor;
}

/** Embeds the patches of `[B, 3, S, S]` with the parameters `name.proj.weight [C, 3, patch, patch]` and `name.proj.bias`. */
export function patchEmbedding(
  pixels: Tensor,
  parameters: Parameters,
  name: string,
  size: number,
  patch: number,
  width: number,
): EmbeddedPatches {
  const side = Math.floor(size / patch);
  const batch = dimensionAt(pixels, 0);
  const weight = parameters.tensor(`${name}.proj.weight`, [width, 3, patch, patch]);
  const bias = parameters.tensor(`${name}.proj.bias`, [width]);
  if (constantBytes(weight) !== undefined) {
    const channels = conv(pixels, weight, bias);
    // Not cut out of the patches: ONNX Runtime would move their transposition behind the shape of the batch, onto the CPU of a GPU's network.
    const corner = slice(slice(channels, 2, 0, 1), 3, 0, 1);
    return {
      patches: transpose(reshape(channels, [batch, width, side * side]), [0, 2, 1]),
      first: reshape(corner, [batch, 1, width]),
    };
  }
  // As in a convolution, pixels beyond the last whole patch are left out.
  const whole = slice(slice(pixels, 2, 0, side * patch), 3, 0, side * patch);
  const cut = transpose(reshape(whole, [batch, 3, side, patch, side, patch]), [0, 2, 4, 1, 3, 5]);
  const flat = reshape(cut, [batch, side * side, 3 * patch * patch]);
  const patches = linear(flat, { weight: reshape(weight, [width, 3 * patch * patch]), bias });
  return { patches, first: slice(patches, 1, 0, 1) };
}
