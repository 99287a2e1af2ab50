/**
 * Which images lose which branch in a micro-batch: a function of the seed and of the micro-batch's
 * number alone.
 */
import type { RandomGenerator } from '../data/random.ts';
import type { DroppedBranch } from '../nn/drop-path.ts';

/** One mask `[B]` per branch: 0 where an image loses it, `1 / (1 − rate)` elsewhere. */
export function drawDropPath(
  random: RandomGenerator,
  branches: readonly DroppedBranch[],
  images: number,
): Float32Array[] {
  return branches.map(({ rate }) =>
    Float32Array.from({ length: images }, () => (random.uniform() < rate ? 0 : 1 / (1 - rate))),
  );
}
