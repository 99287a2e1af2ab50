/**
 * Norm of the whole gradient, by which it is clipped and by which a broken step is seen (PyTorch's
 * `clip_grad_norm_`).
 */

/** Euclidean norm, summed in float64. */
export function normOf(gradient: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < gradient.length; index++) sum += gradient[index]! * gradient[index]!;
  return Math.sqrt(sum);
}

/** Factor that brings a gradient of norm `norm` to at most `largest`; 1 where that is 0 (off). */
export function clippingScale(norm: number, largest: number): number {
  return largest > 0 && norm > largest ? largest / (norm + 1e-6) : 1;
}
