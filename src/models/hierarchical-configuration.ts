/**
 * What a hierarchical network of the MetaFormer family (CAFormer, arXiv 2210.13452) is, as data. Stages of convolution
 * blocks come first, stages of attention blocks last; tokens are reduced in one attention stage and restored at its end.
 */

import type { Preprocessing } from './configuration.ts';

/** One stage: a strided convolution, then `depth` equal blocks. */
export interface HierarchicalStage {
  readonly depth: number;
  /** Channels C. */
  readonly width: number;
  /** `convolution`: separable convolution blocks (ConvFormer); `attention`: the blocks of a Vision Transformer. */
  readonly mixer: 'convolution' | 'attention';
  /** The convolution that leads into the stage (the stem for the first). */
  readonly downsampling: { readonly kernelSize: number; readonly stride: number };
}

/** A hierarchical network. */
export interface HierarchicalConfiguration {
  readonly family: 'hierarchical';
  /** Input side in pixels (square). */
  readonly inputSize: number;
  readonly stages: readonly HierarchicalStage[];
  /** Index of the attention stage whose tokens are merged; a schedule has one pair of numbers per block of it. */
  readonly compressedStage: number;
  /** Side of the depthwise convolution in convolution blocks. */
  readonly depthwiseKernelSize: number;
  /** Hidden width of the MLP in multiples of C. */
  readonly mlpRatio: number;
  /** Width of one attention head. */
  readonly headWidth: number;
  readonly classes: number;
  readonly layerNormEpsilon: number;
  readonly preprocessing: Preprocessing;
}

/** Number of tokens (pixels of the feature map) in each stage, `[3136, 784, 196, 49]` at 224 with strides 4, 2, 2, 2. */
export function stageTokenCounts(configuration: HierarchicalConfiguration): number[] {
  let side = configuration.inputSize;
  return configuration.stages.map((stage) => {
    side = Math.ceil(side / stage.downsampling.stride);
    return side * side;
  });
}
