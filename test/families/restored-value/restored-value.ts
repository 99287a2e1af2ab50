/**
 * A tiny family: one number per image, no prefix token, and a span that is smaller than the
 * network. Tokens may merge in blocks 1 to 5 of 7; after them every token is needed again where it
 * was.
 */
import { reduceMean, reshape } from '../../../src/graph/operators/index.ts';
import { dimensionAt } from '../../../src/graph/tensor.ts';
import { layerNorm } from '../../../src/nn/layer-norm.ts';
import { linear, linearParameters } from '../../../src/nn/linear.ts';
import { patchEmbedding } from '../../../src/nn/patch-embedding.ts';
import { copiesBySource } from '../../../src/networks/forward.ts';
import type { NetworkFamily } from '../../../src/networks/family.ts';
import { attentionFlops, mlpFlops, transformerBlockFlops } from '../../../src/networks/network-flops.ts';
import type { Network } from '../../../src/networks/network.ts';
import { transformerBlock } from '../../../src/networks/transformer-block.ts';
import { tokenCount } from '../../../src/reduction/token-layout.ts';

const layout = { prefix: 0, grid: [5, 5] } as const;
const input = { channels: 3, height: 20, width: 20 };
const patchSize = 4;
const [width, hiddenWidth, heads, blocks, layerNormEpsilon] = [16, 32, 2, 7, 1e-6];
const span = { first: 1, end: 6 };

const block = transformerBlockFlops(width, hiddenWidth);
const plainBlock = attentionFlops(block, tokenCount(layout)) + mlpFlops(block, tokenCount(layout));

/** 25 tokens in seven blocks. */
export const restoredValue: Network = {
  input,
  layout,
  patch: { height: patchSize, width: patchSize },
  blocks,
  span,
  depth: span.end - span.first,
  width,
  importanceFrom: 'attention-received',
  reads: 'every-token',
  mergeOnly: true,
  flops: {
    before: tokenCount(layout) * width * patchSize ** 2 * input.channels + plainBlock,
    blocks: Array.from({ length: span.end - span.first }, () => block),
    after: plainBlock + width,
  },
  answers: { kind: 'values', size: 1 },
  answerOutput: 'logits',
  embed(pixels, parameters) {
    const { grid } = layout;
    return patchEmbedding(pixels, parameters, 'patches', { channels: input.channels, grid, patchSize, width }).patches;
  },
  block(index, state, context) {
    const sizes = { width, heads, hiddenWidth, activation: 'gelu', layerNormEpsilon, prefix: 0 } as const;
    return transformerBlock(index, state, sizes, context);
  },
  restore: copiesBySource,
  readout({ features }, parameters) {
    const normalized = layerNorm(features, parameters, 'norm', width, layerNormEpsilon);
    const mean = reshape(reduceMean(normalized, [1]), [dimensionAt(features, 0), width]);
    return { logits: linear(mean, linearParameters(parameters, 'head', width, 1)) };
  },
  hubConfiguration: () => ({ model_type: 'restored_value', architectures: ['RestoredValue'] }),
};

/** The family, which knows its files by their `model_type`. */
export const restoredValueFamily: NetworkFamily = {
  title: 'restored value',
  fromHuggingFace: ({ json }) =>
    json['model_type'] === 'restored_value'
      ? { network: restoredValue, fit: (weights) => ({ network: restoredValue, weights, warnings: [] }) }
      : undefined,
};
