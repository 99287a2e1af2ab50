/**
 * Softmax and the Kullback-Leibler divergence, computed in float64 from logits: no probability is
 * ever rounded before its logarithm.
 *
 *     log softmax(x)_i = x_i − log Σ_j exp x_j,   KL(p ‖ q) = Σ_i p_i·(log p_i − log q_i), in nats
 */
import { rowsOf } from './answer-rows.ts';

/** `log Σ exp(x)` of one image's logits `[D]`, shifted by the largest so that nothing overflows. */
export function logSumExp(row: Float32Array): number {
  const largest = row.reduce((most, value) => Math.max(most, value), -Infinity);
  return largest + Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

/** Softmax of each row of logits `[n, classes]`: computed in float64, stored in float32. */
export function softmaxRows(logits: Float32Array, classes: number): Float32Array {
  const result = new Float32Array(logits.length);
  rowsOf(logits, classes).forEach((row, image) => {
    const largest = row.reduce((most, value) => Math.max(most, value), -Infinity);
    const weights = Float64Array.from(row, (value) => Math.exp(value - largest));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    result.set(
      weights.map((weight) => weight / total),
      image * classes,
    );
  });
  return result;
}

/**
 * KL(target ‖ softmax(logits)) of one image in nats, both `[classes]`. float32 probabilities sum
 * only nearly to 1; a divergence that this takes below 0 is given as 0.
 */
export function klOfProbabilities(target: Float32Array, logits: Float32Array): number {
  const total = logSumExp(logits);
  let sum = 0;
  for (let index = 0; index < target.length; index++) {
    const probability = target[index] ?? 0;
    if (probability > 0) sum += probability * (Math.log(probability) - ((logits[index] ?? 0) - total));
  }
  return Math.max(0, sum);
}

/**
 * KL(softmax(reference) ‖ softmax(logits)) of one image in nats, both `[classes]`; exactly 0 where
 * they are equal.
 */
export function klOfLogits(reference: Float32Array, logits: Float32Array): number {
  const [referenceTotal, total] = [logSumExp(reference), logSumExp(logits)];
  let divergence = 0;
  for (let index = 0; index < logits.length; index++) {
    const value = reference[index] ?? 0;
    // In this order the two networks' logits cancel exactly where they are equal.
    divergence += Math.exp(value - referenceTotal) * (value - (logits[index] ?? 0) + (total - referenceTotal));
  }
  return divergence;
}
