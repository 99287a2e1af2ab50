/**
 * FLOPs of any token-reduction method by the paper's count: it depends only on how many tokens each
 * block passes on, and on where in it tokens go. Where numbers differ
 * per image (ATS, LTMP), the FLOPs are the mean over images of each image's count. What a method
 * computes to choose tokens (scores, matching, predictors) is not counted, as in the paper;
 * `graph-flops.ts` counts it.
 */
import { attentionFlops, mlpFlops } from '../networks/network-flops.ts';
import type { BlockFlops } from '../networks/network-flops.ts';
import { afterAttention } from '../reduction/methods/method.ts';
import type { BlockWork } from '../reduction/methods/method.ts';
import { tokenCount } from '../reduction/token-layout.ts';
import { countFlops, flopsCount } from './flops.ts';
import type { CountedNetwork, FlopsCount } from './flops.ts';

/**
 * Multiply-accumulates where `tokensPerBlock` are left after each block, prefix tokens counted.
 * @param work where in a block tokens go.
 */
export function countMethodFlops(
  network: CountedNetwork,
  tokensPerBlock: readonly number[],
  work: BlockWork = afterAttention,
): FlopsCount {
  const count = countFlops(network, { pruneKept: tokensPerBlock, mergeKept: tokensPerBlock });
  const blocks = tokensPerBlock.map((leaving, index) => {
    const own = network.flops.blocks[index] as BlockFlops;
    const entering = tokensPerBlock[index - 1] ?? tokenCount(network.layout);
    const { attention, mlp } = leaving === entering ? afterAttention : work;
    return (
      attention[0] * attentionFlops(own, entering) +
      attention[1] * attentionFlops(own, leaving) +
      mlp[0] * mlpFlops(own, entering) +
      mlp[1] * mlpFlops(own, leaving)
    );
  });
  return flopsCount(count.before, blocks, count.after);
}

/** Sum over images of their totals; `tokensPerBlock` has a list per image. */
export function sumMethodFlops(network: CountedNetwork, tokensPerBlock: readonly (readonly number[])[]): number {
  return tokensPerBlock.reduce((sum, own) => sum + countFlops(network, { pruneKept: own, mergeKept: own }).total, 0);
}
