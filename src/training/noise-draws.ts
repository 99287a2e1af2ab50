/**
 * Noise of methods that learn by chance (DynamicViT, SPViT) in a micro-batch:
 * a function of the seed and of the micro-batch's number alone.
 */
import type { RandomGenerator } from '../data/random.ts';
import { elementCount, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';

/**
 * Logistic numbers, the difference of two Gumbel ones, for inputs `['batch', …]`: one array per
 * input.
 */
export function drawNoise(random: RandomGenerator, inputs: readonly Tensor[], images: number): Float32Array[] {
  return inputs.map((input, index) => {
    const own = random.fork(index);
    const elements = elementCount(input.shape.slice(1).map((_, axis) => sizeAt(input, axis + 1)));
    return Float32Array.from({ length: images * elements }, () => logistic(own));
  });
}

/** `log(u / (1 − u))`; at both ends `u` is kept off 0 by as much as float32 tells. */
function logistic(random: RandomGenerator): number {
  const uniform = Math.min(1 - 1e-7, Math.max(1e-7, random.uniform()));
  return Math.log(uniform / (1 - uniform));
}
