/**
 * CAFormer (MetaFormer, arXiv 2210.13452) as far as it can be counted: its tokens, its span, and
 * multiply-accumulates as the DiffRate paper's Table 6 counts them. Stages of convolution blocks
 * come first, stages of attention blocks last. Tokens go in one attention stage, the span, and are
 * restored at its end, so that later stages cost what they did.
 */
import { attentionFlops, mlpFlops, transformerBlockFlops } from '../network-flops.ts';
import type { NetworkDescription } from '../network.ts';

/** One stage: a strided convolution, then `depth` equal blocks. */
export interface CaformerStage {
  readonly depth: number;
  /** Channels C. */
  readonly width: number;
  /**
   * `convolution`: separable convolution blocks (ConvFormer); `attention`: the blocks of a Vision
   * Transformer.
   */
  readonly mixer: 'convolution' | 'attention';
  /** The convolution that leads into the stage (the stem for the first). */
  readonly downsampling: { readonly kernelSize: number; readonly stride: number };
}

/** A hierarchical network. */
export interface CaformerConfiguration {
  /** Input side in pixels (square). */
  readonly inputSize: number;
  readonly stages: readonly CaformerStage[];
  /**
   * Index of the attention stage whose tokens are merged; a schedule has one pair of numbers per
   * block of it.
   */
  readonly compressedStage: number;
  /** Side of the depthwise convolution in convolution blocks. */
  readonly depthwiseKernelSize: number;
  /** Hidden width of the MLP in multiples of C. */
  readonly mlpRatio: number;
  readonly classes: number;
}

/** What CAFormer is, for schedules and FLOPs. */
export function caformer(configuration: CaformerConfiguration): NetworkDescription {
  const { inputSize, stages, compressedStage, mlpRatio, classes } = configuration;
  const { depth, width } = stages[compressedStage] as CaformerStage;
  const sides = sidesOf(configuration);
  const side = sides[compressedStage] ?? 0;
  const flopsOfStage = stages.map((stage, index) => stageFlops(configuration, index, sides[index] ?? 0, stage));
  const entrance = flopsOfStage[compressedStage]?.entrance ?? 0;
  const all = (from: number, to: number): number =>
    flopsOfStage.slice(from, to).reduce((sum, own) => sum + own.entrance + own.blocks, 0);
  const stride = stages
    .slice(0, compressedStage + 1)
    .reduce((product, stage) => product * stage.downsampling.stride, 1);
  const first = stages.slice(0, compressedStage).reduce((sum, stage) => sum + stage.depth, 0);
  return {
    input: { channels: 3, height: inputSize, width: inputSize },
    layout: { prefix: 0, grid: [side, side] },
    blocks: stages.reduce((sum, stage) => sum + stage.depth, 0),
    span: { first, end: first + depth },
    depth,
    width,
    patch: { height: stride, width: stride },
    importanceFrom: 'attention-received',
    reads: 'every-token',
    mergeOnly: true,
    flops: {
      before: all(0, compressedStage) + entrance,
      blocks: Array.from({ length: depth }, () => transformerBlockFlops(width, mlpRatio * width)),
      after: all(compressedStage + 1, stages.length) + (stages.at(-1)?.width ?? 0) * classes * 8,
    },
  };
}

/** Side of the feature map in each stage, `[56, 28, 14, 7]` at 224 with strides 4, 2, 2, 2. */
function sidesOf({ inputSize, stages }: CaformerConfiguration): number[] {
  let side = inputSize;
  return stages.map((stage) => (side = Math.ceil(side / stage.downsampling.stride)));
}

/** The convolution into a stage, N·C·k²·C_in, and its blocks without token reduction. */
function stageFlops(
  { stages, mlpRatio, depthwiseKernelSize }: CaformerConfiguration,
  index: number,
  side: number,
  { depth, width, mixer, downsampling }: CaformerStage,
): { readonly entrance: number; readonly blocks: number } {
  const tokens = side * side;
  const inputWidth = stages[index - 1]?.width ?? 3;
  const block = transformerBlockFlops(width, mlpRatio * width);
  // A convolution block is C → 2C, depthwise, 2C → C, and the MLP.
  const mixing =
    mixer === 'attention'
      ? attentionFlops(block, tokens)
      : 4 * tokens * width ** 2 + depthwiseKernelSize ** 2 * tokens * width * 2;
  return {
    entrance: tokens * width * downsampling.kernelSize ** 2 * inputWidth,
    blocks: depth * (mixing + mlpFlops(block, tokens)),
  };
}
