/**
 * FLOPs of any token-reduction method by the paper's count: only how many tokens each block passes on matters. Where that differs per
 * image (ATS), the FLOPs are the mean over images of each image's count.
 */
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import type { ModelConfiguration } from '../models/registry.ts';
import { countFlops } from './flops.ts';
import type { FlopsCount } from './flops.ts';
import { countModelFlops } from './flops-cost.ts';

/** Multiply-accumulates where `tokensPerBlock` are left after each block, class token counted. */
export function countMethodFlops(configuration: ModelConfiguration, tokensPerBlock: readonly number[]): FlopsCount {
  return countModelFlops(configuration, { pruneKept: tokensPerBlock, mergeKept: tokensPerBlock });
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
