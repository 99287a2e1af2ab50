/**
 * FLOPs of CAFormer under a schedule of its compressed stage, as the DiffRate paper's Table 6 counts them: multiply-accumulates
 * of convolutions `N·C·k²·C_in`, convolution blocks `12NC² + 7²·N·C·2`, attention blocks as in a Vision Transformer, and a
 * head of `8·C·classes`. Tokens are restored at the end of the compressed stage, so later stages cost what they did.
 */

import {
  stageTokenCounts,
  type HierarchicalConfiguration,
  type HierarchicalStage,
} from '../models/hierarchical-configuration.ts';
import { effectiveTokens, uncompressed, type KeptNumbers } from '../reduction/schedule.ts';
import {
  attentionFlops,
  flopsCount,
  keptTokensDerivative,
  mlpFlops,
  type FlopsCount,
  type KeptNumbersGradient,
} from './flops.ts';

interface CompressedStage {
  readonly stage: HierarchicalStage;
  readonly tokens: number;
}

function compressedStage(configuration: HierarchicalConfiguration): CompressedStage {
  const stage = configuration.stages[configuration.compressedStage];
  const tokens = stageTokenCounts(configuration)[configuration.compressedStage];
  if (stage === undefined || tokens === undefined) {
    throw new RangeError(
      `compressedStage ${configuration.compressedStage} is none of ${configuration.stages.length} stages`,
    );
  }
  return { stage, tokens };
}

/** The convolution into a stage: N·C·k²·C_in for N output tokens. */
function downsamplingFlops(stage: HierarchicalStage, tokens: number, inputWidth: number): number {
  return tokens * stage.width * stage.downsampling.kernelSize ** 2 * inputWidth;
}

/** One block without token reduction. A convolution block is C → 2C, depthwise, 2C → C, and the MLP. */
function plainBlockFlops(configuration: HierarchicalConfiguration, stage: HierarchicalStage, tokens: number): number {
  const { width } = stage;
  const mlp = mlpFlops(tokens, width, configuration.mlpRatio * width);
  if (stage.mixer === 'attention') return attentionFlops(tokens, width) + mlp;
  return 4 * tokens * width ** 2 + configuration.depthwiseKernelSize ** 2 * tokens * width * 2 + mlp;
}

/**
 * The paper's count of a hierarchical network. `blocks` of the answer are those of the compressed stage; `before` and `after`
 * hold the other stages, the convolution into the compressed stage (before) and the head (after).
 *
 * @param kept one pair of numbers per block of the compressed stage; may be fractional
 * @throws DiffrateError if the lists differ in length
 */
export function countHierarchicalFlops(configuration: HierarchicalConfiguration, kept: KeptNumbers): FlopsCount {
  const tokenCounts = stageTokenCounts(configuration);
  const compressed = compressedStage(configuration);
  let before = 0;
  let after = 0;
  let inputWidth = 3;
  for (const [index, stage] of configuration.stages.entries()) {
    const tokens = tokenCounts[index] ?? 0;
    const entrance = downsamplingFlops(stage, tokens, inputWidth);
    inputWidth = stage.width;
    if (index === configuration.compressedStage) {
      before += entrance;
      continue;
    }
    const flops = entrance + stage.depth * plainBlockFlops(configuration, stage, tokens);
    if (index < configuration.compressedStage) before += flops;
    else after += flops;
  }
  const { width } = compressed.stage;
  const blocks = effectiveTokens(kept, compressed.tokens).map(
    (block) => attentionFlops(block.tokensIn, width) + mlpFlops(block.tokensOut, width, configuration.mlpRatio * width),
  );
  return flopsCount(before, blocks, after + inputWidth * configuration.classes * 8);
}

/** The paper's count of the uncompressed network. */
export function baselineHierarchicalFlops(configuration: HierarchicalConfiguration): FlopsCount {
  const { stage, tokens } = compressedStage(configuration);
  return countHierarchicalFlops(configuration, uncompressed(stage.depth, tokens));
}

/**
 * Gradient of the total by the kept numbers of the compressed stage, in FLOPs per token; straight-through as in `flopsGradient`.
 *
 * @throws DiffrateError if the lists differ in length
 */
export function hierarchicalFlopsGradient(
  configuration: HierarchicalConfiguration,
  kept: KeptNumbers,
): KeptNumbersGradient {
  const { stage, tokens } = compressedStage(configuration);
  const blocks = effectiveTokens(kept, tokens);
  const derivatives = blocks.map((block, index) =>
    keptTokensDerivative(
      block.tokensOut,
      stage.width,
      configuration.mlpRatio * stage.width,
      index === blocks.length - 1,
    ),
  );
  return { prune: derivatives, merge: [...derivatives] };
}
