/**
 * A cost with a unit of its own: tokens after each block in whole steps, as a processor's tiles
 * are.
 */
import { priceByDifference, reachableRange } from '../../src/cost/cost.ts';
import type { Cost } from '../../src/cost/cost.ts';
import { effectiveTokens, uncompressed } from '../../src/reduction/schedule.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import type { NetworkShape } from '../../src/reduction/network-shape.ts';
import { smallestKept, tokenCount } from '../../src/reduction/token-layout.ts';

/** Tokens of a tile. */
const tile = 3;

/** What does not depend on tokens. */
const fixed = 5;

/** Tiles of all blocks. */
export function staircaseCost({ layout, depth }: NetworkShape): Cost {
  const tokens = tokenCount(layout);
  const value = (kept: KeptNumbers): number =>
    effectiveTokens(kept, tokens, depth).reduce((sum, { tokensOut }) => sum + Math.ceil(tokensOut / tile), fixed);
  return {
    unit: 'tiles',
    baseline: value(uncompressed(depth, tokens)),
    fixed,
    value,
    price: (kept, reach) =>
      priceByDifference(value, kept, Math.max(tile, reach), { smallest: smallestKept(layout), tokens }),
    reachable: (space) => reachableRange(value, space),
  };
}
