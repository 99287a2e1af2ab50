/**
 * Running average of weights (timm's `ModelEmaV2`):
 * often better than the last weights, and what is then evaluated and saved.
 */
import { arithmetic, VectorKernel } from './vector-kernel.ts';
import { VectorMemory } from './vector-memory.ts';

/**
 * Decay of the average at a step, from 0: at most `decay`, and less at first, as in TensorFlow's
 * `ExponentialMovingAverage`, so that a short run does not end with its random start.
 */
export function averageDecayAt(step: number, decay: number): number {
  return Math.min(decay, (1 + step) / (10 + step));
}

/** The averaged weights. */
export class WeightAverage {
  readonly values: Float32Array;
  readonly #kernel: VectorKernel<'average' | 'weights', 'share'>;

  /**
   * Starts as a copy of `weights`.
   * @param memory gives the vector; an update is quickest where it gave the weights too.
   */
  constructor(weights: Float32Array, memory = new VectorMemory(weights.length, 1)) {
    this.values = memory.vector();
    this.values.set(weights);
    this.#kernel = new VectorKernel(memory, ['average', 'weights'], ['share'], ({ average, weights }, { share }) => {
      const { add, sub, mul } = arithmetic;
      return { average: add(average, mul(share, sub(weights, average))) };
    });
  }

  /** `average ← decay·average + (1 − decay)·weights`, in place. */
  update(weights: Float32Array, decay: number): void {
    this.#kernel.run({ average: this.values, weights }, { share: 1 - decay }, 0, weights.length);
  }
}
