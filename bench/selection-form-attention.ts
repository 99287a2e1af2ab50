/** Attention of a block, made from the model's parameters for tokens that it never sees. */
import { gather, matMul, slice, softmax } from '../src/graph/operators/index.ts';
import { constant } from '../src/graph/tensor.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import type { LoadedModel } from '../src/loading/model-from-files.ts';
import { joinHeads, proportionalLogits, splitHeads } from '../src/nn/attention.ts';
import { layerNorm } from '../src/nn/layer-norm.ts';
import { linear, linearParameters } from '../src/nn/linear.ts';
import { sumOverHeads } from '../src/reduction/sum-over-heads.ts';
import type { TokenState } from '../src/reduction/token-state.ts';

/** A block of a model. */
export interface ModelBlock {
  readonly model: LoadedModel;
  readonly block: number;
  readonly heads: number;
}

/** Mean over heads of the class token's row of a map `[B, H, P, N]`: `[B, N, 1]`. */
export function classRow(map: Tensor): Tensor {
  const perHead = gather(map, constant(BigInt64Array.of(0n), [], 'int64'), 2);
  return sumOverHeads(perHead, 1 / (map.shape[1] as number));
}

/** Class attention `[B, N, 1]` of a block, as if the tokens of the state entered it. */
export function classAttentionOf(at: ModelBlock, state: TokenState): Tensor {
  const project = projections(at);
  return classRow(mapOf(project, slice(state.features, 1, 0, 1), state));
}

/**
 * What tokens gather in a block, `[B, P, C]`, heads side by side, before the projection.
 * @param asking tokens `[B, P, C]` whose queries read keys and values of all tokens of the state.
 */
export function gatheredBy(at: ModelBlock, asking: Tensor, state: TokenState): Tensor {
  const project = projections(at);
  return joinHeads(matMul(mapOf(project, asking, state), project(state.features, 'value')));
}

const parts = ['query', 'key', 'value'] as const;

/** Tokens `[B, N, C]` through the norm and one of the three projections: `[B, H, N, D]`. */
type Projections = (tokens: Tensor, part: (typeof parts)[number]) => Tensor;

function projections({ model: { network, parameters }, block, heads }: ModelBlock): Projections {
  const { width } = network;
  const { weight, bias } = linearParameters(parameters, `blocks.${block}.attn.qkv`, width, 3 * width);
  return (tokens, part) => {
    const index = parts.indexOf(part);
    const third = (x: Tensor): Tensor => slice(x, 0, index * width, (index + 1) * width);
    const normalized = layerNorm(tokens, parameters, `blocks.${block}.norm1`, width, 1e-6);
    return splitHeads(linear(normalized, { weight: third(weight), bias: bias && third(bias) }), heads);
  };
}

function mapOf(project: Projections, asking: Tensor, { features, size }: TokenState): Tensor {
  return softmax(proportionalLogits(project(asking, 'query'), project(features, 'key'), size));
}
