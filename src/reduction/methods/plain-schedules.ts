/**
 * Schedules that need no images: a uniform rate, the same number of tokens in every block, and
 * random monotone ones (Fig. 4 of DiffRate, arXiv 2305.17997).
 */
import { mean } from 'd3-array';
import { uniformNumbers } from '../random-numbers.ts';
import type { KeptNumbers } from '../schedule.ts';
import { gridTokens, smallestKept, tokenCount } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';

/**
 * Kept numbers from the tokens after each block; the given share of the tokens that go is pruned.
 */
function keptNumbers(
  tokensOut: readonly number[],
  layout: TokenLayout,
  prunedShare: (block: number) => number,
): KeptNumbers {
  const pruneKept = tokensOut.map((left, block) => {
    const entered = tokensOut[block - 1] ?? tokenCount(layout);
    return entered - Math.round(prunedShare(block) * (entered - left));
  });
  return { pruneKept, mergeKept: tokensOut };
}

/**
 * How many tokens stay where this share of the patches stays: at least one patch, so that none is
 * merged into a prefix token.
 */
const tokensLeft = (layout: TokenLayout, share: number): number =>
  Math.max(smallestKept(layout), layout.prefix + Math.round(gridTokens(layout) * share));

/**
 * Kept numbers where every block but the first keeps the same share of the patch tokens that enter
 * it.
 */
export function uniformSchedule(rate: number, depth: number, layout: TokenLayout, pruned = 0): KeptNumbers {
  const tokensOut = Array.from({ length: depth }, (_, block) => tokensLeft(layout, rate ** block));
  return keptNumbers(tokensOut, layout, () => pruned);
}

/**
 * Kept numbers where every block but the first removes the same number of tokens. A fraction is
 * spread over the blocks: after block l, from 0, `round(removed·l)` are gone.
 */
export function constantSchedule(removed: number, depth: number, layout: TokenLayout, pruned = 0): KeptNumbers {
  const [tokens, least] = [tokenCount(layout), smallestKept(layout)];
  const tokensOut = Array.from({ length: depth }, (_, block) => Math.max(least, tokens - Math.round(removed * block)));
  return keptNumbers(tokensOut, layout, () => pruned);
}

/**
 * Random kept numbers that never rise. Each block but the first lets an exponentially distributed
 * share of the logarithm go. The shares are scaled so that a patch token is there with probability
 * `keep`, on average over blocks. Tokens that go are pruned and merged in random shares.
 * @param mergeOnly all that goes is merged.
 */
export function randomSchedule(
  seed: number,
  keep: number,
  depth: number,
  layout: TokenLayout,
  mergeOnly = false,
): KeptNumbers {
  const draws = uniformNumbers(2 * depth, seed);
  let sum = 0;
  const steps = Array.from({ length: depth }, (_, block) =>
    block === 0 ? 0 : (sum += Math.log(Math.max(draws[block] ?? 0, 1e-6))),
  );
  const kept = (scale: number): number => mean(steps, (step) => Math.exp(scale * step)) ?? NaN;
  let [low, high] = [0, 1e3];
  for (let turn = 0; turn < 60; turn++) {
    const middle = (low + high) / 2;
    if (kept(middle) > keep) low = middle;
    else high = middle;
  }
  const tokensOut = steps.map((step) => tokensLeft(layout, Math.exp(low * step)));
  return keptNumbers(tokensOut, layout, (block) => (mergeOnly ? 0 : (draws[depth + block] ?? 0)));
}
