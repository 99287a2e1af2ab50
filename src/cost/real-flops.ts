/**
 * Multiply-accumulates that a compressed Vision Transformer really computes, matrix product by matrix product. It differs from
 * the paper's count (`flops.ts`): tokens pruned before attention are no queries (where that pays, see `methods/diffrate.ts`), choosing and merging tokens costs something, and in the last
 * block of a network that reads the class token nothing but that token is computed.
 *
 * In a block N tokens enter, P are left after pruning, K after merging.
 */

import { patchCount, tokenCount, type VisionTransformerConfiguration } from '../models/configuration.ts';
import { prunesBeforeAttention } from '../reduction/methods/diffrate.ts';
import { effectiveTokens, uncompressed, type EffectiveBlock, type KeptNumbers } from '../reduction/schedule.ts';
import { attentionFlops, flopsCount, mlpFlops, type FlopsCount } from './flops.ts';

/** Patch embedding: the patches alone, the class token is a parameter. */
export function patchEmbeddingFlops(configuration: VisionTransformerConfiguration): number {
  return patchCount(configuration) * configuration.width * configuration.patchSize ** 2 * 3;
}

/** Keys and values of all N tokens. */
export function keyValueFlops(tokensIn: number, width: number): number {
  return 2 * tokensIn * width ** 2;
}

/** The class token's attention row, computed ahead where tokens are pruned before attention: its query and its scores with N keys. */
export function importanceFlops(tokensIn: number, width: number): number {
  return width ** 2 + tokensIn * width;
}

/** Attention of P queries over N keys: query projection, scores, weighted values, output projection. */
export function queryFlops(queries: number, tokensIn: number, width: number): number {
  return queries * width ** 2 + 2 * queries * tokensIn * width + queries * width ** 2;
}

/** Cosine similarity of the P−K tokens to merge with the K−1 destinations (the class token is none). */
export function matchingFlops(pruneKept: number, mergeKept: number, width: number): number {
  return (pruneKept - mergeKept) * (mergeKept - 1) * width;
}

/** The merge itself: a one-hot matrix `[K, P−K]` times the tokens that go. */
export function mergeFlops(pruneKept: number, mergeKept: number, width: number): number {
  return (pruneKept - mergeKept) * mergeKept * width;
}

function blockFlops(block: EffectiveBlock, width: number, hiddenWidth: number): number {
  const { tokensIn, pruneKept, mergeKept } = block;
  const early = prunesBeforeAttention(tokensIn, pruneKept, width);
  return (
    keyValueFlops(tokensIn, width) +
    (early ? importanceFlops(tokensIn, width) : 0) +
    queryFlops(early ? pruneKept : tokensIn, tokensIn, width) +
    matchingFlops(pruneKept, mergeKept, width) +
    mergeFlops(pruneKept, mergeKept, width) +
    mlpFlops(mergeKept, width, hiddenWidth)
  );
}

/** The last block of a network that reads the class token: one query, one token in the MLP, whatever its kept numbers. */
function classTokenBlockFlops(tokensIn: number, width: number, hiddenWidth: number): number {
  return keyValueFlops(tokensIn, width) + queryFlops(1, tokensIn, width) + mlpFlops(1, width, hiddenWidth);
}

/**
 * Multiply-accumulates of the compressed graph for one image.
 *
 * @throws DiffrateError if the lists differ in length
 */
export function countRealFlops(configuration: VisionTransformerConfiguration, kept: KeptNumbers): FlopsCount {
  const { width, hiddenWidth, pool, classes } = configuration;
  const blocks = effectiveTokens(kept, tokenCount(configuration));
  return flopsCount(
    patchEmbeddingFlops(configuration),
    blocks.map((block, index) =>
      pool === 'class-token' && index === blocks.length - 1
        ? classTokenBlockFlops(block.tokensIn, width, hiddenWidth)
        : blockFlops(block, width, hiddenWidth),
    ),
    width * classes,
  );
}

/** Multiply-accumulates of the plain network, every token computed in every block, the last included. */
export function baselineRealFlops(configuration: VisionTransformerConfiguration): FlopsCount {
  const { width, hiddenWidth, depth, classes } = configuration;
  const tokens = tokenCount(configuration);
  return flopsCount(
    patchEmbeddingFlops(configuration),
    uncompressed(depth, tokens).mergeKept.map((n) => attentionFlops(n, width) + mlpFlops(n, width, hiddenWidth)),
    width * classes,
  );
}
