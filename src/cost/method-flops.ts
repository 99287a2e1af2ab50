/**
 * FLOPs of any token-reduction method by the paper's count: it depends only on how many tokens each
 * block passes on, and on whether tokens go before its attention or after it. Where numbers differ
 * per image (ATS, LTMP), the FLOPs are the mean over images of each image's count. What a method
 * computes to choose tokens (scores, matching, predictors) is not counted, as in the paper;
 * `graph-flops.ts` counts it.
 */
import { attentionFlops, mlpFlops } from '../networks/network-flops.ts';
import type { BlockFlops } from '../networks/network-flops.ts';
import { countFlops, flopsCount } from './flops.ts';
import type { CountedNetwork, FlopsCount } from './flops.ts';

/**
 * Multiply-accumulates where `tokensPerBlock` are left after each block, prefix tokens counted.
 * @param reducesBeforeBlock they go before a block's attention.
 */
export function countMethodFlops(
  network: CountedNetwork,
  tokensPerBlock: readonly number[],
  reducesBeforeBlock = false,
): FlopsCount {
  const count = countFlops(network, { pruneKept: tokensPerBlock, mergeKept: tokensPerBlock });
  if (!reducesBeforeBlock) return count;
  const blocks = tokensPerBlock.map((tokens, index) => {
    const own = network.flops.blocks[index] as BlockFlops;
    return attentionFlops(own, tokens) + mlpFlops(own, tokens);
  });
  return flopsCount(count.before, blocks, count.after);
}

/** Sum over images of their totals; `tokensPerBlock` has a list per image. */
export function sumMethodFlops(network: CountedNetwork, tokensPerBlock: readonly (readonly number[])[]): number {
  return tokensPerBlock.reduce((sum, own) => sum + countFlops(network, { pruneKept: own, mergeKept: own }).total, 0);
}
