/**
 * The Vision Transformer (arXiv 2010.11929; timm's `vision_transformer.py`) as a network. It reads
 * its class token (DeiT, AugReg), or the mean of its patches with sizes as weights (MAE).
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
  tanh,
  transpose,
} from '../../graph/operators/index.ts';
import { dimensionAt, inScope, int64Vector, sizeAt, stopGradient } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { layerNorm } from '../../nn/layer-norm.ts';
import { linear, linearParameters } from '../../nn/linear.ts';
import type { Parameters } from '../../nn/parameters.ts';
import { patchEmbedding } from '../../nn/patch-embedding.ts';
import type { Answers } from '../../objectives/objective.ts';
import { gridOf, tokenCount } from '../../reduction/token-layout.ts';
import type { TokenState } from '../../reduction/token-state.ts';
import { transformerBlockFlops } from '../network-flops.ts';
import type { NetworkFlops } from '../network-flops.ts';
import type { Network, NetworkOutputs, NormBefore } from '../network.ts';
import { transformerBlock } from '../transformer-block.ts';
import { lastNormOf, layoutOf } from './configuration.ts';
import type { VisionTransformerConfiguration } from './configuration.ts';
import { hubConfiguration } from './hub-configuration.ts';

/** A Vision Transformer of these sizes. */
export function visionTransformer(configuration: VisionTransformerConfiguration): Network {
  const { inputSize, channels, patchSize, width, depth, heads, hiddenWidth, activation, layerNormEpsilon, pool } =
    configuration;
  const layout = layoutOf(configuration);
  const { prefix } = layout;
  const sizes = { width, heads, hiddenWidth, activation, layerNormEpsilon, prefix };
  const readsClassToken = pool === 'class-token';
  const norm = lastNormOf(configuration);
  return {
    input: { channels, ...inputSize },
    layout,
    blocks: depth,
    span: { first: 0, end: depth },
    depth,
    width,
    patch: { height: patchSize, width: patchSize },
    importanceFrom: prefix > 0 ? 'class-token' : 'attention-received',
    reads: readsClassToken ? 'prefix' : 'every-token',
    mergeOnly: false,
    features: { width, heads, hiddenWidth },
    flops: flopsOf(configuration),
    answers: answersOf(configuration),
    answerOutput: configuration.classes > 0 ? 'logits' : 'last_hidden_state',
    embed: (pixels, parameters) => embed(pixels, configuration, parameters),
    block: (index, state, context) => transformerBlock(index, state, sizes, context),
    readout(state, parameters) {
      const features = inScope('pool', () => pooled(state, configuration, parameters));
      return inScope('head', () => outputsOf(features, configuration, parameters));
    },
    normalized: (features, parameters) => layerNorm(features, parameters, norm, width, layerNormEpsilon),
    foldableNorms: normsBefore(configuration, norm),
    hubConfiguration: (has) => hubConfiguration(configuration, has),
    // Hugging Face's MAE encoders are read by the mean of patches.
    ...(readsClassToken ? {} : { checkpointConfiguration: { model_type: 'vit_mae' } }),
  };
}

/** Patch tokens with the prefix tokens before them, plus position embeddings: `[B, N, C]`. */
function embed(pixels: Tensor, configuration: VisionTransformerConfiguration, parameters: Parameters): Tensor {
  const { channels, patchSize, width, prefixTokens } = configuration;
  const layout = layoutOf(configuration);
  const { grid } = layout;
  const { patches, first } = patchEmbedding(pixels, parameters, 'patch_embed', { channels, grid, patchSize, width });
  const position = parameters.tensor('pos_embed', [1, tokenCount(layout), width]);
  const prefix = prefixTokens.flatMap(({ name, count }) => {
    const tokens = parameters.tensor(name, [1, count, width]);
    return Array.from({ length: count }, (_, index) => expandLike(slice(tokens, 1, index, index + 1), first));
  });
  return add(prefix.length === 0 ? patches : concat([...prefix, patches], 1), position);
}

/**
 * The class token, or the mean of patch tokens weighted by size, normalised: `[B, C]`. A norm of
 * tokens is only computed of those that are read.
 */
function pooled(state: TokenState, configuration: VisionTransformerConfiguration, parameters: Parameters): Tensor {
  const { pool, width, layerNormEpsilon } = configuration;
  const name = lastNormOf(configuration);
  const normalized = (x: Tensor): Tensor => layerNorm(x, parameters, name, width, layerNormEpsilon);
  if (pool === 'class-token') {
    return normalized(reshape(slice(state.features, 1, 0, 1), [dimensionAt(state.features, 0), width]));
  }
  if (name === 'fc_norm') return normalized(meanOfPatches(state, configuration));
  return meanOfPatches({ ...state, features: normalized(state.features) }, configuration);
}

/**
 * `Σ size·x / Σ size` over patch tokens `[B, C]`; removed tokens of a masked state weigh nothing,
 * as in MAE's pooling by the authors.
 */
function meanOfPatches(state: TokenState, configuration: VisionTransformerConfiguration): Tensor {
  const { width } = configuration;
  const { prefix } = layoutOf(configuration);
  const batch = dimensionAt(state.features, 0);
  const patches = patchesOf(state.features, prefix);
  const weight = weightOf(state);
  if (weight === undefined) return div(reshape(reduceSum(patches, [1]), [batch, width]), sizeAt(patches, 1));
  const weights = patchesOf(weight, prefix);
  const total = reshape(matMul(transpose(patches, [0, 2, 1]), weights), [batch, width]);
  return div(total, stopGradient(reduceSum(weights, [1])));
}

/** All tokens behind the prefix, however many there are. */
function patchesOf(x: Tensor, prefix: number): Tensor {
  if (prefix === 0 || typeof dimensionAt(x, 1) === 'number') return gridOf(x, { prefix });
  return dynamicSlice(x, 1, int64Vector([prefix]), int64Vector([Number.MAX_SAFE_INTEGER]), 'patches');
}

function weightOf({ size, mask }: TokenState): Tensor | undefined {
  if (size === undefined || mask === undefined) return size ?? mask;
  return mul(size, mask);
}

/**
 * `logits [B, classes]`. An encoder without a head gives what transformers' feature extraction
 * reads: `last_hidden_state [B, 1, C]`, the pooled and normalised features, and
 * `pooler_output [B, C]`, these through the checkpoint's pooler where it has one.
 */
function outputsOf(
  features: Tensor,
  { width, classes }: VisionTransformerConfiguration,
  parameters: Parameters,
): NetworkOutputs {
  if (classes > 0) return { logits: linear(features, linearParameters(parameters, 'head', width, classes)) };
  const pooler = 'pooler.dense';
  const pooled = parameters.has(`${pooler}.weight`)
    ? tanh(linear(features, linearParameters(parameters, pooler, width, width)))
    : features;
  return { last_hidden_state: reshape(features, [dimensionAt(features, 0), 1, width]), pooler_output: pooled };
}

function answersOf({ classes, problem, width }: VisionTransformerConfiguration): Answers {
  if (classes === 0) return { kind: 'features', size: width };
  if (problem === 'classes' && classes === 1) return { kind: 'values', size: 1 };
  return { kind: problem, size: classes };
}

/** The paper's count. The patch embedding is counted for a class token, too. */
function flopsOf(configuration: VisionTransformerConfiguration): NetworkFlops {
  const { width, hiddenWidth, patchSize, channels, classes, depth } = configuration;
  return {
    before: tokenCount(layoutOf(configuration)) * width * patchSize ** 2 * channels,
    blocks: Array.from({ length: depth }, () => transformerBlockFlops(width, hiddenWidth)),
    after: width * classes,
  };
}

/** Every norm feeds one linear layer. */
function normsBefore({ depth, classes }: VisionTransformerConfiguration, norm: string): NormBefore[] {
  const inBlocks = Array.from({ length: depth }, (_, block): NormBefore[] => [
    [`blocks.${block}.attn.qkv`, `blocks.${block}.norm1`],
    [`blocks.${block}.mlp.fc1`, `blocks.${block}.norm2`],
  ]);
  return classes > 0 ? [...inBlocks.flat(), ['head', norm]] : inBlocks.flat();
}
