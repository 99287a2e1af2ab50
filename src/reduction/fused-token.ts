/**
 * What a token carries along that stands for several: EViT fuses the tokens that go, SPViT packs
 * them.
 */
import { div, matMul, reduceMax, reduceSum, slice } from '../graph/operators/index.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Traveller, Travellers } from './token-state.ts';

/**
 * Travellers of the one token, `[B, 1, …]` each:
 * - `sum`: the union, which is the largest of them, as source maps hold 0 and 1;
 * - `mean`: the mean by the weights that the features have; values have three axes;
 * - `destination`: those of the first token.
 * @param weights `[B, 1, M]`, those of the M tokens in the features.
 */
export function fusedTravellers(travellers: Travellers | undefined, weights: Tensor): Travellers | undefined {
  if (travellers === undefined) return undefined;
  const fused = ({ value, merging }: Traveller): Tensor => {
    if (merging === 'destination') return slice(value, 1, 0, 1);
    if (merging === 'sum') return reduceMax(value, [1], true);
    return div(matMul(weights, value), reduceSum(weights, [2], true));
  };
  return Object.fromEntries(
    Object.entries(travellers).map(([name, traveller]) => [
      name,
      { value: fused(traveller), merging: traveller.merging },
    ]),
  );
}
