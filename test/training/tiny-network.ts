/**
 * The tiny network of `small-networks.ts` as training sees it: a layout and a vector of weights.
 */
import type { Network } from '../../src/networks/network.ts';
import { parametersFromWeights } from '../../src/networks/parameters.ts';
import { layoutOf, vectorOf } from '../../src/training/trained-parameters.ts';
import { smallNetwork, smallWeights, tinySizes } from '../small-networks.ts';
import type { SmallSizes } from '../small-networks.ts';

/** 6×6 pixels in patches of 2: 10 tokens, 3 blocks. */
export function tinyNetwork(sizes: SmallSizes = {}): Network {
  return smallNetwork({ ...tinySizes, ...sizes });
}

/** Prunes and merges in blocks 1 and 2. */
export const tinySchedule = { pruneKept: [10, 8, 6], mergeKept: [10, 7, 4] };

/** A vector of weights that keep activations of the order of 1. */
export function tinyWeights(network = tinyNetwork(), seed = 1): Float32Array {
  return vectorOf(layoutOf(network), parametersFromWeights(smallWeights(network, seed), 'tiny'));
}
