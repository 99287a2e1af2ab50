/**
 * A cost that is no smooth function of the kept numbers, as a measured one is not: a block takes as
 * long as the next whole number of tiles.
 */
import { priceByDifference, reachableRange } from '../../src/cost/cost.ts';
import type { Cost } from '../../src/cost/cost.ts';
import { effectiveTokens, uncompressed } from '../../src/reduction/schedule.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import type { SearchSpace } from '../../src/reduction/search-space.ts';
import { smallestKept, tokenCount } from '../../src/reduction/token-layout.ts';

/**
 * Beats of a network: attention of a block two for every `tile` tokens that enter it, begun or
 * whole, its MLP three for every `tile` that leave it; 7 come before the blocks.
 */
export function stepCost({ layout, depth }: Pick<SearchSpace, 'layout' | 'depth'>, tile: number): Cost {
  const tokens = tokenCount(layout);
  const fixed = 7;
  const value = (kept: KeptNumbers): number =>
    effectiveTokens(kept, tokens, depth).reduce(
      (sum, { tokensIn, tokensOut }) => sum + 2 * Math.ceil(tokensIn / tile) + 3 * Math.ceil(tokensOut / tile),
      fixed,
    );
  return {
    unit: 'beats',
    baseline: value(uncompressed(depth, tokens)),
    fixed,
    value,
    price: (kept, reach) => priceByDifference(value, kept, reach, { smallest: smallestKept(layout), tokens }),
    reachable: (space) => reachableRange(value, space),
  };
}
