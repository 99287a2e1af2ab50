/**
 * FLOPs of a network under a schedule, as the DiffRate paper's tables count them (arXiv 2305.17997,
 * Algorithm 2, in the reading of the authors' code). FLOPs here are multiply-accumulates, as the
 * field uses the word.
 *
 * Per block with N tokens in and N' = min(N, P, K) out: projections and attention on N tokens, the
 * MLP on N'. What a compressed graph computes is another number, read off the graph: see
 * `graph-flops.ts`.
 */
import { attentionFlops, mlpFlops } from '../networks/network-flops.ts';
import type { BlockFlops } from '../networks/network-flops.ts';
import type { NetworkDescription } from '../networks/network.ts';
import { effectiveTokens, uncompressed } from '../reduction/schedule.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import { tokenCount } from '../reduction/token-layout.ts';

/** What is counted of a network. */
export type CountedNetwork = Pick<NetworkDescription, 'layout' | 'depth' | 'flops'>;

/** Multiply-accumulates of one image's forward pass, by part. */
export interface FlopsCount {
  /** Everything before the first block that a schedule speaks of. */
  readonly before: number;
  /** One number per block of the schedule. */
  readonly blocks: readonly number[];
  /** Everything after the last of those blocks. */
  readonly after: number;
  readonly total: number;
}

/** Multiply-accumulates in a GFLOP. */
export const flopsPerGflop = 1e9;

/** A `FlopsCount` from its parts. */
export function flopsCount(before: number, blocks: readonly number[], after: number): FlopsCount {
  return { before, blocks, after, total: blocks.reduce((sum, block) => sum + block, before + after) };
}

/**
 * The paper's count of a network with these kept numbers (which may be fractional, as in a search).
 * @throws {DiffrateError} if the lists differ in length, or are not as long as the network's span.
 */
export function countFlops({ layout, flops }: CountedNetwork, kept: KeptNumbers): FlopsCount {
  const blocks = effectiveTokens(kept, tokenCount(layout), flops.blocks.length).map((block, index) => {
    const own = flops.blocks[index] as BlockFlops;
    return attentionFlops(own, block.tokensIn) + mlpFlops(own, block.tokensOut);
  });
  return flopsCount(flops.before, blocks, flops.after);
}

/** The paper's count of the uncompressed network. */
export function baselineFlops(network: CountedNetwork): FlopsCount {
  return countFlops(network, uncompressed(network.depth, tokenCount(network.layout)));
}

/**
 * What one kept token more costs in each block, in FLOPs, as the authors' code propagates it: the
 * terms that contain N' itself, the block's MLP and the next block's attention. N' = min(N, P, K)
 * passes its gradient straight through to both P and K at full weight, whichever is least, and none
 * to the previous N: later blocks' numbers are minima whose gradient goes to their own P and K.
 * @throws {DiffrateError} if the lists differ in length, or are not as long as the network's span.
 */
export function flopsPrices({ layout, flops }: CountedNetwork, kept: KeptNumbers): number[] {
  return effectiveTokens(kept, tokenCount(layout), flops.blocks.length).map(({ tokensOut }, index) => {
    const own = flops.blocks[index] as BlockFlops;
    const next = flops.blocks[index + 1];
    return next === undefined ? own.mlp : own.mlp + next.perToken + 2 * next.perPair * tokensOut;
  });
}
