/**
 * What removing tokens costs a block beside its tokens: some fifty small operators that choose and
 * merge, whose time FLOPs do not tell. It is written as the FLOPs for which the network takes as
 * long, so that it can stand beside them.
 */

/**
 * Of one block, in GFLOPs: 2^22 multiply-accumulates. It is less than what `npm run bench --
 * overhead` prints, so that a block goes only where it is clearly worth its operators.
 */
export const defaultBlockOverhead = 2 ** 22 / 1e9;

/** Below this share of a network's time, a block's operators are none of its troubles. */
const smallShare = 0.05;

/**
 * What a search reckons on a device: the default, or where the operators of one block take more
 * than a twentieth of the network's time, what was measured. That is rounded to a power of two of
 * the default, to be the same from one measurement to the next.
 * @param share of the network's time.
 * @param gflops the same in GFLOPs.
 */
export function settledOverhead(share: number, gflops: number): number {
  if (!(share > smallShare)) return defaultBlockOverhead;
  const factor = Math.max(gflops / defaultBlockOverhead, 2 ** -10);
  return defaultBlockOverhead * 2 ** Math.round(Math.log2(factor));
}

/**
 * By which share the loss may rise where one block less removes tokens; at most 1, since a loss
 * that more than doubles is no small change any more.
 * @param overhead of the block, in GFLOPs.
 * @param gflops of the network.
 * @param lossPerCost by how many per cent the loss rises for one per cent of the cost less.
 */
export function blockPrice(overhead: number, gflops: number, lossPerCost: number): number {
  return Math.min(1, (lossPerCost * overhead) / gflops);
}
