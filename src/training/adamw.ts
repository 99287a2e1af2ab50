/**
 * AdamW (arXiv 1711.05101) on the vector of all parameters, with PyTorch's arithmetic. It runs beside the graph, in one loop over each
 * parameter: ONNX Runtime has no operator for it outside of its training builds, and the ten element-wise operators that it takes would
 * each pass over all of memory.
 */
import type { ParameterLayout } from './trained-parameters.ts';

/** Constants of the optimizer. */
export interface AdamWOptions {
  /** Decay of the running mean of gradients, default 0.9. */
  readonly beta1?: number;
  /** Decay of the running mean of squares, default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Decoupled decay of the parameters that the layout says decay, default 0. */
  readonly weightDecay?: number;
}

/** The optimizer's state: the running means of gradients and of their squares. */
export class AdamW {
  readonly first: Float32Array;
  readonly second: Float32Array;
  /** Updates so far. */
  step = 0;
  readonly #layout: ParameterLayout;
  readonly #options: Required<AdamWOptions>;

  constructor(layout: ParameterLayout, options: AdamWOptions = {}) {
    const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = options;
    this.#options = { beta1, beta2, epsilon, weightDecay };
    this.#layout = layout;
    this.first = new Float32Array(layout.length);
    this.second = new Float32Array(layout.length);
  }

  /**
   * One step in place.
   * @param scale by which the gradient is multiplied first: one over the number of micro-batches, and clipping.
   */
  update(weights: Float32Array, gradient: Float32Array, learningRate: number, scale = 1): void {
    const { beta1, beta2, epsilon, weightDecay } = this.#options;
    const { first, second } = this;
    this.step += 1;
    const debias = 1 - beta1 ** this.step;
    const correction = 1 / Math.sqrt(1 - beta2 ** this.step);
    const [rest1, rest2] = [(1 - beta1) * scale, (1 - beta2) * scale * scale];
    for (const { offset, length, decays, learningRateFactor } of this.#layout.parameters) {
      const rate = learningRate * learningRateFactor;
      const stepSize = rate / debias;
      const kept = decays ? 1 - rate * weightDecay : 1;
      for (let index = offset, end = offset + length; index < end; index++) {
        const slope = gradient[index]!;
        const mean = beta1 * first[index]! + rest1 * slope;
        const square = beta2 * second[index]! + rest2 * slope * slope;
        first[index] = mean;
        second[index] = square;
        weights[index] = kept * weights[index]! - (stepSize * mean) / (Math.sqrt(square) * correction + epsilon);
      }
    }
  }
}
