/**
 * DTEM's embedding of the tokens of a block: a linear layer on what queries and keys are made of.
 */
import type { Tensor } from '../../graph/tensor.ts';
import { linear, linearParameters } from '../../nn/linear.ts';
import type { Parameters } from '../../nn/parameters.ts';
import { unitLength } from '../unit-length.ts';
import { learnedPrefix } from './learned.ts';
import type { LearnedParameter } from './learned.ts';

/** Widths of the layer. */
export interface EmbeddingSizes {
  /** Width of the embedding. */
  readonly embedding: number;
  /** Width C of the network. */
  readonly width: number;
}

const nameOf = (block: number): string => `${learnedPrefix}dtem.${block}`;

/** A layer per block. */
export function embeddingParameters({ embedding, width }: EmbeddingSizes, depth: number): LearnedParameter[] {
  return Array.from({ length: depth }, (_, block) => block).flatMap((block) => [
    { name: `${nameOf(block)}.weight`, shape: [embedding, width], learningRateFactor },
    { name: `${nameOf(block)}.bias`, shape: [embedding], learningRateFactor },
  ]);
}

/**
 * Multiple of the learning rate of networks' weights. The authors' rate is 1e-4 over 30 epochs of
 * ImageNet; in some hundred steps a layer learns little at that.
 */
const learningRateFactor = 300;

/** Embedded tokens of length 1, `[B, N, D]`, of tokens through the block's norm, `[B, N, C]`. */
export function embeddingOf(
  normalized: Tensor,
  block: number,
  { embedding, width }: EmbeddingSizes,
  parameters: Parameters,
): Tensor {
  return unitLength(linear(normalized, linearParameters(parameters, nameOf(block), width, embedding)));
}
