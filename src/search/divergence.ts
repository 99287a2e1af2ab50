/** How far answers are from what they should be. */

/** Probabilities below this count as this in a logarithm. */
const smallestProbability = 1e-30;

/** KL(target ‖ answer) of two distributions, in nats. */
export function klDivergence(target: Float32Array, answer: Float32Array): number {
  let sum = 0;
  target.forEach((probability, index) => {
    if (probability > 0) sum += probability * Math.log(probability / Math.max(answer[index] ?? 0, smallestProbability));
  });
  return sum;
}

/** Softmax of each row of `[B, classes]`. */
export function softmaxRows(logits: Float32Array, classes: number): Float32Array {
  const result = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    const row = logits.subarray(start, start + classes);
    const largest = row.reduce((a, b) => Math.max(a, b));
    const weights = row.map((value) => Math.exp(value - largest));
    const total = weights.reduce((a, b) => a + b);
    result.set(
      weights.map((weight) => weight / total),
      start,
    );
  }
  return result;
}
