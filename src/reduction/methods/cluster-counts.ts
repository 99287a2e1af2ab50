/**
 * How many clusters methods that cluster tokens leave in their blocks (ATC, K-medoids, DPC-KNN): a
 * keep rate `k` leaves `⌊P·k⌋`, `⌊P·k²⌋`, … of P patches, or the numbers are listed.
 */
import { DiffrateError } from '../../errors.ts';
import type { NetworkShape } from '../network-shape.ts';
import { gridTokens } from '../token-layout.ts';
import type { ParameterKey, Parameters } from './method.ts';
import { ascendingBlocks, blocksKey } from './per-block.ts';

/** Parameters of these methods. */
export const clusterKeys: readonly ParameterKey[] = [
  {
    name: 'keep',
    kind: 'number',
    meaning: 'share of patch tokens that each of the blocks keeps of those before it',
    fallback: 0.7,
    min: 0.01,
    max: 1,
  },
  {
    name: 'clusters',
    kind: 'list',
    meaning: 'patch tokens left after each of the blocks, in place of keep',
    fallback: [],
    min: 1,
  },
  blocksKey,
];

/** What is left where. */
export interface ClusterCounts {
  /** Patch tokens to leave in a block; `undefined` where it does nothing. */
  readonly clusters: readonly (number | undefined)[];
  /** Tokens after each block, prefix tokens counted. */
  readonly tokensPerBlock: readonly number[];
}

/**
 * Clusters per block.
 * @throws {DiffrateError} where blocks do not exist, or the list is not one number for each of
 *   them.
 */
export function clusterCounts(method: string, parameters: Parameters, network: NetworkShape): ClusterCounts {
  const blocks = ascendingBlocks(method, parameters.numbers('blocks'), network);
  const listed = parameters.numbers('clusters');
  const isListed = listed.length > 0;
  const { depth, layout } = network;
  const patches = gridTokens(layout);
  if (isListed && (listed.length !== blocks.length || listed.some((count) => !Number.isInteger(count)))) {
    throw new DiffrateError(
      `${method}:clusters=${listed.join('/')} must have a whole number from 1 for each of the ` +
        `${blocks.length} blocks ${blocks.join('/')}.`,
    );
  }
  const keep = parameters.number('keep');
  let left = patches;
  const counts = Array.from({ length: depth }, (_, block) => {
    const stage = blocks.indexOf(block);
    if (stage < 0) return { left };
    const asked = isListed ? (listed[stage] ?? left) : Math.trunc(patches * keep ** (stage + 1));
    const staying = Math.max(1, Math.min(left, asked));
    const clusters = staying < left ? staying : undefined;
    left = staying;
    return { clusters, left };
  });
  return {
    clusters: counts.map(({ clusters }) => clusters),
    tokensPerBlock: counts.map((count) => layout.prefix + count.left),
  };
}
