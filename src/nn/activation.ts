/**
 * Activations of the MLPs of transformers, by the names of Hugging Face transformers
 * (`hidden_act`).
 */
import { gelu, mul, pow, add, sigmoid, tanh } from '../graph/operators/index.ts';
import type { Tensor } from '../graph/tensor.ts';

/**
 * - `gelu`: `x·Φ(x)`, exact (ViT, DeiT).
 * - `gelu_pytorch_tanh`: its tanh approximation (SigLIP).
 * - `quick_gelu`: `x·σ(1.702·x)` (CLIP).
 */
export const activations = ['gelu', 'gelu_pytorch_tanh', 'quick_gelu'] as const;

/** One of them. */
export type Activation = (typeof activations)[number];

/** The activation of every element. */
export function activate(x: Tensor, activation: Activation): Tensor {
  if (activation === 'gelu') return gelu(x);
  if (activation === 'quick_gelu') return mul(x, sigmoid(mul(x, 1.702)));
  const inner = mul(add(x, mul(pow(x, 3), 0.044715)), Math.sqrt(2 / Math.PI));
  return mul(mul(x, 0.5), add(tanh(inner), 1));
}
