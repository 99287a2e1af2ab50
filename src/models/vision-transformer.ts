/**
 * The Vision Transformer (arXiv 2010.11929; timm's `vision_transformer.py`) as a function over symbolic tensors, with a token
 * reducer asked in every block. With a class token (DeiT, AugReg) or mean-pooled over patches, sizes as weights (MAE).
 */
import {
  add,
  concat,
  div,
  dynamicSlice,
  expandLike,
  matMul,
  mul,
  reduceSum,
  reshape,
  slice,
  transpose,
} from '../graph/operators/index.ts';
import { constant, dimensionAt, elementCount, inScope, int64Vector, sizeAt, stopGradient } from '../graph/tensor.ts';
import type { Dimension, Tensor } from '../graph/tensor.ts';
import type { BranchTransform } from '../nn/drop-path.ts';
import { layerNorm } from '../nn/layer-norm.ts';
import { linear, linearParameters } from '../nn/linear.ts';
import type { Parameters } from '../nn/parameters.ts';
import { patchEmbedding } from '../nn/patch-embedding.ts';
import { keepAllTokens } from '../reduction/token-reducer.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import type { TokenState } from '../reduction/token-state.ts';
import { tokenCount } from './configuration.ts';
import type { VisionTransformerConfiguration } from './configuration.ts';
import { block } from './transformer-block.ts';

/** How a network is built. */
export interface ForwardOptions {
  /** Method that reduces tokens; none by default. */
  readonly reducer?: TokenReducer;
  /** Follow which input tokens went where and keep every token to the end (for pictures and checks). */
  readonly trace?: boolean;
  /**
   * Compute only the class token in the last block of a class-token network: nothing else reaches the classifier.
   * Exact, but not what a plain network does; compressed and searched networks use it. Off when tracing.
   */
  readonly classTokenOnlyLastBlock?: boolean;
  /** Changes the output of a residual branch before it is added: drop path, while training. */
  readonly branch?: BranchTransform;
}

/** What a network gives. */
export interface ForwardOutputs {
  /** `[B, classes]`, or the pooled features `[B, C]` of an encoder without a head. */
  readonly logits: Tensor;
  /** Pooled and normalised features `[B, C]`. */
  readonly features: Tensor;
  /** Tokens after the last block. */
  readonly state: TokenState;
  /** Tokens after each block, in order. */
  readonly states: readonly TokenState[];
}

/** The network on `pixels [B, 3, S, S]`. */
export function visionTransformer(
  pixels: Tensor,
  configuration: VisionTransformerConfiguration,
  parameters: Parameters,
  options: ForwardOptions = {},
): ForwardOutputs {
  const {
    reducer: asked = keepAllTokens,
    trace = false,
    classTokenOnlyLastBlock = false,
    branch = (output) => output,
  } = options;
  const { depth, pool } = configuration;
  const reducer = asked.withParameters?.(parameters) ?? asked;
  const embedded = inScope('embedding', () => embed(pixels, configuration, parameters));
  let state: TokenState = trace ? { features: embedded, source: identitySource(embedded) } : { features: embedded };
  const states: TokenState[] = [];
  for (let index = 0; index < depth; index++) {
    const classTokenOnly =
      classTokenOnlyLastBlock &&
      !trace &&
      !(reducer.needsEveryQuery ?? false) &&
      pool === 'class-token' &&
      index === depth - 1;
    state = inScope(`blocks.${index}`, () =>
      block(state, { configuration, parameters, reducer, index, classTokenOnly, branch }),
    );
    states.push(state);
  }
  const features = inScope('pool', () => pooled(state, configuration, parameters));
  return { logits: inScope('head', () => classify(features, configuration, parameters)), features, state, states };
}

/** Patch tokens with the class token before them, plus position embeddings: `[B, N, C]`. */
export function embed(pixels: Tensor, configuration: VisionTransformerConfiguration, parameters: Parameters): Tensor {
  const { inputSize, patchSize, width } = configuration;
  const tokens = tokenCount(configuration);
  const { patches, first } = patchEmbedding(pixels, parameters, 'patch_embed', inputSize, patchSize, width);
  const position = parameters.tensor('pos_embed', [1, tokens, width]);
  const classToken = parameters.tensor('cls_token', [1, 1, width]);
  return add(concat([expandLike(classToken, first), patches], 1), position);
}

/** Normalised class token, or the mean of patch tokens weighted by size, then `fc_norm`: `[B, C]`. */
export function pooled(
  state: TokenState,
  configuration: VisionTransformerConfiguration,
  parameters: Parameters,
): Tensor {
  const { pool, width, layerNormEpsilon } = configuration;
  const batch = dimensionAt(state.features, 0);
  if (pool === 'class-token') {
    const first = reshape(slice(state.features, 1, 0, 1), [batch, width]);
    return layerNorm(first, parameters, 'norm', width, layerNormEpsilon);
  }
  return layerNorm(meanOfPatches(state, width), parameters, 'fc_norm', width, layerNormEpsilon);
}

/** `Σ size·x / Σ size` over patch tokens `[B, C]`; removed tokens of a masked state weigh nothing, as in MAE's pooling by the authors. */
function meanOfPatches(state: TokenState, width: number): Tensor {
  const batch = dimensionAt(state.features, 0);
  const patches = patchesOf(state.features);
  const weight = weightOf(state);
  if (weight === undefined) return div(reshape(reduceSum(patches, [1]), [batch, width]), sizeAt(patches, 1));
  const weights = patchesOf(weight);
  const total = reshape(matMul(transpose(patches, [0, 2, 1]), weights), [batch, width]);
  return div(total, stopGradient(reduceSum(weights, [1])));
}

/** All tokens but the first, however many there are. */
function patchesOf(x: Tensor): Tensor {
  if (typeof dimensionAt(x, 1) === 'number') return slice(x, 1, 1);
  return dynamicSlice(x, 1, int64Vector([1]), int64Vector([Number.MAX_SAFE_INTEGER]), 'patches');
}

function weightOf({ size, mask }: TokenState): Tensor | undefined {
  if (size === undefined || mask === undefined) return size ?? mask;
  return mul(size, mask);
}

/** The head: `[B, C] → [B, classes]`; without one, the features. */
export function classify(
  features: Tensor,
  configuration: VisionTransformerConfiguration,
  parameters: Parameters,
): Tensor {
  if (configuration.classes === 0) return features;
  return linear(features, linearParameters(parameters, 'head', configuration.width, configuration.classes));
}

/** `[B, N, N]`: at the input every token is its own source. */
function identitySource(features: Tensor): Tensor {
  const tokens = sizeAt(features, 1);
  const identity = new Float32Array(elementCount([tokens, tokens]));
  for (let token = 0; token < tokens; token++) identity[token * tokens + token] = 1;
  const matrix = constant(identity, [1, tokens, tokens], 'float32');
  const batch: Dimension = dimensionAt(features, 0);
  return add(matrix, mul(reshape(slice(slice(features, 1, 0, 1), 2, 0, 1), [batch, 1, 1]), 0));
}
