/**
 * FLOPs that a form of the selection rule would need if it were built well: those of diffrate's own
 * compressed network on all pairs of tokens, which its graph tells, less what attends less, plus
 * attention of class tokens ahead. Two directions are reckoned as one.
 */
import { countGraphFlops } from '../src/cost/graph-flops.ts';
import type { Network } from '../src/networks/network.ts';
import { diffRate } from '../src/reduction/methods/diffrate.ts';
import { dissimilarity } from '../src/reduction/selection.ts';
import type { TokenReducer } from '../src/reduction/token-reducer.ts';
import { tokenCount } from '../src/reduction/token-layout.ts';
import type { SelectionForm } from './selection-form.ts';

/** diffrate's own rule on all pairs; everything that goes is merged. */
export function ruleOnAllPairs(network: Network, kept: readonly number[]): TokenReducer {
  const tokens = tokenCount(network.layout);
  const pruneKept = kept.map((_, block) => kept[block - 1] ?? tokens);
  const selection = { ...dissimilarity, candidates: 1 };
  return diffRate({ pruneKept, mergeKept: kept, merging: 'patches', selection }, network);
}

/**
 * Multiply-accumulates for one image.
 * @param kept tokens after each block.
 * @param heads of the network.
 */
export function formFlops(network: Network, kept: readonly number[], form: SelectionForm, heads: number): number {
  const { width, depth, layout } = network;
  let tokens = tokenCount(layout);
  let total = countGraphFlops(network, ruleOnAllPairs(network, kept));
  for (let block = 0; block < depth - 1; block++) {
    const left = Math.min(tokens, kept[block] ?? tokens);
    if (left < tokens) total += changeIn({ tokens, left, width, heads }, form);
    tokens = left;
  }
  return total;
}

interface BlockSizes {
  readonly tokens: number;
  readonly left: number;
  readonly width: number;
  readonly heads: number;
}

function changeIn({ tokens, left, width, heads }: BlockSizes, { attending, next }: SelectionForm): number {
  const square = width * width;
  const row = tokens * width;
  const gone = tokens - left;
  // Keys of the next block are not there: the query goes back through their weights instead.
  const nextRow = next > 0 ? heads * row + 2 * square + row : 0;
  // Keys of this block are there, and the query of the class token alone is projected twice.
  const ownRow = square + row;
  switch (attending) {
    case 'all':
      return nextRow;
    case 'mean query':
    case 'own query':
      return ownRow - gone * (2 * row + 2 * square);
    default:
      // Rows of the map are added where they belong, which is no product. As a product with the
      // assignment they would cost `heads · gone · left · tokens`, which is most of what is saved.
      return ownRow - gone * (row + square);
  }
}
