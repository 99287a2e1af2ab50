/** Random values for what methods learn, beside a network's own weights. */
import { float32Tensor } from '../../../src/checkpoints/weights.ts';
import type { Weights } from '../../../src/checkpoints/weights.ts';
import type { BuiltMethod } from '../../../src/reduction/methods/method.ts';
import { randomValues } from '../../random-network.ts';

/**
 * A network's weights and a method's, the latter large enough that tokens differ in their scores;
 * thresholds are where they start.
 */
export function withLearned(weights: Weights, { learned }: BuiltMethod, seed = 1): Weights {
  const own = (learned?.parameters ?? []).map(({ name, shape, initial }, index) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const inputs = shape.length > 1 ? (shape[1] ?? 1) : 4;
    const values = randomValues(count, 5000 * seed + index).map((value) => (3 * value) / Math.sqrt(inputs));
    return [name, float32Tensor(name, shape, initial === undefined ? values : values.fill(initial))] as const;
  });
  return new Map([...weights, ...own]);
}
