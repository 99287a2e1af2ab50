/**
 * Parameters of methods that say something for each block, or name the blocks in which a method
 * acts.
 */
import { DiffrateError } from '../../errors.ts';
import { mostPairs } from '../bipartite-matching.ts';
import { nameOf, tokensOf } from '../network-shape.ts';
import type { FeatureSizes, NetworkShape } from '../network-shape.ts';
import { gridTokens, tokenCount } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import type { ParameterKey } from './method.ts';

/**
 * The number of patch tokens that corresponds to `count` of the 196 of the networks in the
 * literature.
 */
export const ofPatches =
  (count: number) =>
  ({ layout }: NetworkShape): number =>
    Math.round((gridTokens(layout) * count) / 196);

/** How many tokens go per block; by default the given number, as a share of 196 patches. */
export function perBlockKey(name: string, meaning: string, fallback: number): ParameterKey {
  return { name, kind: 'list', meaning, fallback: (network) => [ofPatches(fallback)(network)], min: 0 };
}

/** The blocks in which a method acts, by default the three that most methods take. */
export const blocksKey: ParameterKey = {
  name: 'blocks',
  kind: 'list',
  meaning: 'blocks in which tokens go, counted from 0',
  fallback: ({ depth }) => quarterBlocks(depth),
  min: 0,
};

/** 3, 6, 9 of 12; 6, 12, 18 of 24; 9, 18, 27 of 32: what EViT and its followers take. */
function quarterBlocks(depth: number): number[] {
  const step = Math.max(1, depth === 32 ? 9 : Math.floor(depth / 4));
  return [step, 2 * step, 3 * step].filter((block) => block < depth);
}

/**
 * Whole numbers per block: those given, or one number for every block. Its fraction is spread over
 * the blocks as evenly as possible.
 * @throws {DiffrateError} where a list is not one whole number per block.
 */
export function countPerBlock(method: string, key: string, values: readonly number[], network: NetworkShape): number[] {
  const [only = 0] = values;
  if (values.length === 1) {
    return Array.from(
      { length: network.depth },
      (_, block) => Math.round(only * (block + 1)) - Math.round(only * block),
    );
  }
  const fraction = values.find((value) => !Number.isInteger(value));
  if (values.length === network.depth && fraction !== undefined) {
    throw new DiffrateError(
      `${method}:${key}=${values.join('/')} has ${fraction} for a block: ` +
        'give whole numbers for the blocks, or one number for all.',
    );
  }
  if (values.length !== network.depth) {
    throw new DiffrateError(
      `${method}:${key}=${values.join('/')} has ${values.length} numbers but ${nameOf(network)} has ` +
        `${network.depth} blocks: give one number, or a whole number for each block.`,
    );
  }
  return [...values];
}

/**
 * Whole numbers per block of the network: those given, or one number for each of the chosen blocks,
 * its fraction being spread over them, and 0 for the others.
 * @throws {DiffrateError} where a list is not one whole number per block.
 */
export function countOfChosenBlocks(
  method: string,
  key: string,
  values: readonly number[],
  blocks: readonly number[],
  network: NetworkShape,
): number[] {
  const { depth } = network;
  if (values.length > 1 || depth === 1) return countPerBlock(method, key, values, network);
  const [only = 0] = values;
  const inOrder = [...new Set(blocks)].sort((a, b) => a - b);
  return Array.from({ length: depth }, (_, block) => {
    const place = inOrder.indexOf(block);
    return place < 0 ? 0 : Math.round(only * (place + 1)) - Math.round(only * place);
  });
}

/**
 * The blocks in which a method acts.
 * @throws {DiffrateError} where one does not exist.
 */
export function stageBlocks(method: string, values: readonly number[], network: NetworkShape): number[] {
  const wrong = values.find((block) => !Number.isInteger(block) || block >= network.depth);
  if (wrong !== undefined) {
    throw new DiffrateError(
      `${method}:blocks=${values.join('/')} names block ${wrong} but ${nameOf(network)} has the blocks ` +
        `0 to ${network.depth - 1}.`,
    );
  }
  return [...values];
}

/**
 * Tokens left after each block where `removed[block]` go, but never more than `most` of the live
 * number.
 */
export function tokensAfterRemoving(
  removed: readonly number[],
  layout: TokenLayout,
  most: (tokens: number, layout: TokenLayout) => number,
): number[] {
  let left = tokenCount(layout);
  return removed.map((count) => {
    left -= Math.min(count, most(left, layout));
    return left;
  });
}

/**
 * Asking for more pairs of ToMe's matching than any block could ever merge is a mistake. Later
 * blocks, with fewer tokens left, merge as many as they can.
 * @throws {DiffrateError} where more are asked for than the first block has.
 */
export function requireMergeable(method: string, key: string, removed: readonly number[], network: NetworkShape): void {
  const tokens = tokensOf(network);
  const most = mostPairs(tokens, network.layout);
  const largest = Math.max(...removed);
  if (largest > most) {
    throw new DiffrateError(
      `${method}:${key}=${largest} is more than can merge: ${nameOf(network)} has ${tokens} tokens, ` +
        `of which at most ${most} merge into the others in one block; lower ${key} to ${most}.`,
    );
  }
}

/**
 * The blocks in which a method acts, in their order, each once.
 * @throws {DiffrateError} where one does not exist.
 */
export function ascendingBlocks(method: string, values: readonly number[], network: NetworkShape): number[] {
  return [...new Set(stageBlocks(method, values, network))].sort((a, b) => a - b);
}

/**
 * Sizes of the features that a method with trained parts works on.
 * @throws {DiffrateError} where the network reads more than its class token: these methods leave
 *   nothing else whole.
 */
export function featuresOf(method: string, network: NetworkShape): FeatureSizes {
  const { features, layout, reads } = network;
  if (features !== undefined && layout.prefix > 0 && reads === 'prefix') return features;
  throw new DiffrateError(
    `${method} is trained with networks that read their class token, and ${nameOf(network)} does not: ` +
      'use a network that does.',
  );
}
