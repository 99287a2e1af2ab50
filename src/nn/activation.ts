/**
 * Activations of the MLPs of transformers, by the names of Hugging Face transformers
 * (`hidden_act`).
 */
import { add, gelu, mul, relu, sigmoid, tanh } from '../graph/operators/index.ts';
import type { Tensor } from '../graph/tensor.ts';

/**
 * - `gelu`: `x·Φ(x)`, exact (ViT, DeiT).
 * - `gelu_pytorch_tanh`: its tanh approximation (SigLIP).
 * - `quick_gelu`: `x·σ(1.702·x)` (CLIP).
 * - `silu`: `x·σ(x)`.
 * - `relu`: `max(x, 0)`.
 */
export const activations = ['gelu', 'gelu_pytorch_tanh', 'quick_gelu', 'silu', 'relu'] as const;

/** One of them. */
export type Activation = (typeof activations)[number];

/** The activation of every element. */
export function activate(x: Tensor, activation: Activation): Tensor {
  switch (activation) {
    case 'gelu':
      return gelu(x);
    case 'quick_gelu':
      return mul(x, sigmoid(mul(x, 1.702)));
    case 'silu':
      return mul(x, sigmoid(x));
    case 'relu':
      return relu(x);
    case 'gelu_pytorch_tanh':
      return tanhGelu(x);
  }
}

/**
 * `x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))`, the cube as two products: in half precision it
 * overflows later, and no backend raises a negative number to a power.
 */
function tanhGelu(x: Tensor): Tensor {
  const scale = Math.sqrt(2 / Math.PI);
  const inner = mul(x, add(mul(mul(x, x), 0.044715 * scale), scale));
  return mul(mul(x, 0.5), add(tanh(inner), 1));
}
