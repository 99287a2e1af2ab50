/**
 * A tiny family: an encoder without a head that reads oblong images and has two prefix tokens, a
 * class token and a register.
 */
import { add, concat, expandLike, reshape, slice } from '../../../src/graph/operators/index.ts';
import { dimensionAt } from '../../../src/graph/tensor.ts';
import { layerNorm } from '../../../src/nn/layer-norm.ts';
import { patchEmbedding } from '../../../src/nn/patch-embedding.ts';
import { transformerBlockFlops } from '../../../src/networks/network-flops.ts';
import type { NetworkFamily } from '../../../src/networks/family.ts';
import type { Network } from '../../../src/networks/network.ts';
import { transformerBlock } from '../../../src/networks/transformer-block.ts';
import { tokenCount } from '../../../src/reduction/token-layout.ts';

const layout = { prefix: 2, grid: [4, 6] } as const;
const input = { channels: 3, height: 16, width: 24 };
const patchSize = 4;
const [width, hiddenWidth, heads, depth, layerNormEpsilon] = [24, 48, 3, 6, 1e-6];

/** 26 tokens in six blocks; what it answers is its class token, normalised. */
export const oblongEncoder: Network = {
  input,
  layout,
  patch: { height: patchSize, width: patchSize },
  blocks: depth,
  span: { first: 0, end: depth },
  depth,
  width,
  importanceFrom: 'class-token',
  reads: 'prefix',
  mergeOnly: false,
  flops: {
    before: tokenCount(layout) * width * patchSize ** 2 * input.channels,
    blocks: Array.from({ length: depth }, () => transformerBlockFlops(width, hiddenWidth)),
    after: 0,
  },
  answers: { kind: 'features', size: width },
  answerOutput: 'last_hidden_state',
  embed(pixels, parameters) {
    const { channels } = input;
    const { grid } = layout;
    const { patches, first } = patchEmbedding(pixels, parameters, 'patches', { channels, grid, patchSize, width });
    const prefix = ['class', 'register'].map((name) => expandLike(parameters.tensor(name, [1, 1, width]), first));
    const positions = parameters.tensor('positions', [1, tokenCount(layout), width]);
    return add(concat([...prefix, patches], 1), positions);
  },
  block(index, state, context) {
    const sizes = { width, heads, hiddenWidth, activation: 'gelu_pytorch_tanh', layerNormEpsilon, prefix: 2 } as const;
    return transformerBlock(index, state, sizes, context);
  },
  readout({ features }, parameters) {
    const batch = dimensionAt(features, 0);
    const first = layerNorm(slice(features, 1, 0, 1), parameters, 'norm', width, layerNormEpsilon);
    return { last_hidden_state: first, pooler_output: reshape(first, [batch, width]) };
  },
  hubConfiguration: () => ({ model_type: 'oblong_encoder', architectures: ['OblongEncoder'] }),
};

/** The family, which knows its files by their `model_type`. */
export const oblongEncoderFamily: NetworkFamily = {
  title: 'oblong encoder',
  fromHuggingFace: ({ json }) =>
    json['model_type'] === 'oblong_encoder'
      ? { network: oblongEncoder, fit: (weights) => ({ network: oblongEncoder, weights, warnings: [] }) }
      : undefined,
};
