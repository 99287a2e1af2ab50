/**
 * FLOPs of any token-reduction method by the paper's count: only how many tokens each block passes on matters, and whether they go before its
 * attention or behind it. Where numbers differ per image (ATS, LTMP), the FLOPs are the mean over images of each image's count.
 * What a method computes to choose tokens (scores, matching, predictors) is not counted, as in the paper; `graph-flops.ts` counts it.
 */
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import type { ModelConfiguration } from '../models/registry.ts';
import { attentionFlops, countFlops, flopsCount, mlpFlops } from './flops.ts';
import type { FlopsCount } from './flops.ts';
import { countModelFlops } from './flops-cost.ts';

/**
 * Multiply-accumulates where `tokensPerBlock` are left after each block, class token counted.
 * @param reducesBeforeBlock they go before a block's attention.
 */
export function countMethodFlops(
  configuration: ModelConfiguration,
  tokensPerBlock: readonly number[],
  reducesBeforeBlock = false,
): FlopsCount {
  const count = countModelFlops(configuration, { pruneKept: tokensPerBlock, mergeKept: tokensPerBlock });
  if (!reducesBeforeBlock || configuration.family === 'hierarchical') return count;
  const { width, hiddenWidth } = configuration;
  const blocks = tokensPerBlock.map((tokens) => attentionFlops(tokens, width) + mlpFlops(tokens, width, hiddenWidth));
  return flopsCount(count.before, blocks, count.after);
}

/** Sum over images of their totals; `tokensPerBlock` has a list per image. */
export function sumMethodFlops(
  configuration: VisionTransformerConfiguration,
  tokensPerBlock: readonly (readonly number[])[],
): number {
  return tokensPerBlock.reduce(
    (sum, own) => sum + countFlops(configuration, { pruneKept: own, mergeKept: own }).total,
    0,
  );
}
