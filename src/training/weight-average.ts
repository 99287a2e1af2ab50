/** Running average of weights (timm's `ModelEmaV2`): often better than the last weights, and what is then evaluated and saved. */

/**
 * Decay of the average at a step, from 0: at most `decay`, and less at first, as in TensorFlow's `ExponentialMovingAverage`, so that a
 * short run does not end with its random start.
 */
export function averageDecayAt(step: number, decay: number): number {
  return Math.min(decay, (1 + step) / (10 + step));
}

/** `average ← decay·average + (1 − decay)·weights`, in place. */
export function updateAverage(average: Float32Array, weights: Float32Array, decay: number): void {
  const share = 1 - decay;
  for (let index = 0; index < average.length; index++) {
    average[index] = average[index]! + share * (weights[index]! - average[index]!);
  }
}
