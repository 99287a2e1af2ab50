/**
 * FLOPs of a Vision Transformer under a schedule, as the DiffRate paper's tables count them (arXiv 2305.17997, Algorithm 2,
 * in the reading of the authors' code). FLOPs here are multiply-accumulates, as the field uses the word.
 *
 * Per block with N tokens in and N' = min(N, P, K) out: projections and attention on N tokens, the MLP on N'. The patch
 * embedding is counted for the class token, too. What a compressed graph computes is another number: see `real-flops.ts`.
 */

import { tokenCount, type VisionTransformerConfiguration } from '../models/configuration.ts';
import { effectiveTokens, uncompressed, type KeptNumbers } from '../reduction/schedule.ts';

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

/** Derivative of a cost by each kept number, in units of the cost per token; one number per block. */
export interface KeptNumbersGradient {
  readonly prune: number[];
  readonly merge: number[];
}

/** A `FlopsCount` from its parts. */
export function flopsCount(before: number, blocks: readonly number[], after: number): FlopsCount {
  return { before, blocks, after, total: blocks.reduce((sum, block) => sum + block, before + after) };
}

/** Attention of one block on N tokens of width C: q, k, v and output projections 4NC², scores and values 2N²C. */
export function attentionFlops(tokens: number, width: number): number {
  return 4 * tokens * width ** 2 + 2 * tokens ** 2 * width;
}

/** The two layers of an MLP on N tokens: 2·N·C·hidden, which is 8NC² in the published models. */
export function mlpFlops(tokens: number, width: number, hiddenWidth: number): number {
  return 2 * tokens * width * hiddenWidth;
}

/**
 * The paper's count of a network with these kept numbers (which may be fractional, as in a search).
 *
 * @throws DiffrateError if the lists differ in length
 */
export function countFlops(configuration: VisionTransformerConfiguration, kept: KeptNumbers): FlopsCount {
  const { width, hiddenWidth, patchSize, classes } = configuration;
  const tokens = tokenCount(configuration);
  return flopsCount(
    tokens * width * patchSize ** 2 * 3,
    effectiveTokens(kept, tokens).map(
      (block) => attentionFlops(block.tokensIn, width) + mlpFlops(block.tokensOut, width, hiddenWidth),
    ),
    width * classes,
  );
}

/** The paper's count of the uncompressed network. */
export function baselineFlops(configuration: VisionTransformerConfiguration): FlopsCount {
  return countFlops(configuration, uncompressed(configuration.depth, tokenCount(configuration)));
}

/**
 * Derivative of the total by a block's kept tokens N', given the block's MLP and the next block's attention: the terms that
 * contain N' itself. Later blocks' numbers are minima whose gradient goes to their own P and K, not back to this N'.
 */
export function keptTokensDerivative(tokens: number, width: number, hiddenWidth: number, isLast: boolean): number {
  const mlp = 2 * width * hiddenWidth;
  return isLast ? mlp : mlp + 4 * width ** 2 + 4 * tokens * width;
}

/**
 * Gradient of the total by the kept numbers, in FLOPs per token, as the authors' code propagates it: N' = min(N, P, K)
 * passes its gradient straight through to both P and K at full weight, whichever is least, and none to the previous N.
 * Block 0's numbers get theirs, too; whether a block is frozen is the search's business.
 *
 * @throws DiffrateError if the lists differ in length
 */
export function flopsGradient(configuration: VisionTransformerConfiguration, kept: KeptNumbers): KeptNumbersGradient {
  const { width, hiddenWidth } = configuration;
  const blocks = effectiveTokens(kept, tokenCount(configuration));
  const derivatives = blocks.map((block, index) =>
    keptTokensDerivative(block.tokensOut, width, hiddenWidth, index === blocks.length - 1),
  );
  return { prune: derivatives, merge: [...derivatives] };
}
