/**
 * Patch embedding: timm's `PatchEmbed`, a convolution of patches that do not overlap. Where its weights are trained it is written as one matrix
 * product over cut-out patches, the same sums, because a product has a gradient; ONNX Runtime cuts patches more slowly than it convolves.
 */
import { conv, reshape, transpose } from '../graph/operators/index.ts';
import { constantBytes, dimensionAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { linear } from './linear.ts';
import type { Parameters } from './parameters.ts';

/** `[B, 3, S, S] → [B, (S / patch)², C]` with the parameters `name.proj.weight [C, 3, patch, patch]` and `name.proj.bias`. */
export function patchEmbedding(
  pixels: Tensor,
  parameters: Parameters,
  name: string,
  size: number,
  patch: number,
  width: number,
): Tensor {
  const side = Math.floor(size / patch);
  const batch = dimensionAt(pixels, 0);
  const weight = parameters.tensor(`${name}.proj.weight`, [width, 3, patch, patch]);
  const bias = parameters.tensor(`${name}.proj.bias`, [width]);
  if (constantBytes(weight) !== undefined) {
    const channels = reshape(conv(pixels, weight, bias), [batch, width, side * side]);
    return transpose(channels, [0, 2, 1]);
  }
  const cut = transpose(reshape(pixels, [batch, 3, side, patch, side, patch]), [0, 2, 4, 1, 3, 5]);
  const flat = reshape(cut, [batch, side * side, 3 * patch * patch]);
  return linear(flat, { weight: reshape(weight, [width, 3 * patch * patch]), bias });
}
