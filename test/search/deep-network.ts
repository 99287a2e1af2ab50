/** A network as learners see it: sizes and a cost, no weights. */
import { flopsCost } from '../../src/cost/flops-cost.ts';
import type { Cost } from '../../src/cost/cost.ts';
import { tokenCount } from '../../src/models/configuration.ts';
import type { VisionTransformerConfiguration } from '../../src/models/configuration.ts';
import { compressibleBlocks } from '../../src/models/schedule-target.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import type { LearnerNetwork } from '../../src/search/learners/candidate-learner.ts';
import type { BlockGradients, StepResult } from '../../src/search/search-step.ts';
import { numbersOf, project } from '../../src/search/projection.ts';
import type { Projection } from '../../src/search/projection.ts';
import { smallConfiguration } from '../random-network.ts';

/** 50 tokens in six blocks, wide enough that its GFLOPs are of the order of 1. */
export const deepConfiguration: VisionTransformerConfiguration = {
  ...smallConfiguration,
  inputSize: 112,
  patchSize: 16,
  width: 512,
  depth: 6,
  heads: 8,
  hiddenWidth: 2048,
};

/** Tokens at its first block. */
export const deepTokens = tokenCount(deepConfiguration);

/** The published count of its FLOPs. */
export const deepCost: Cost = flopsCost(deepConfiguration);

/** Blocks 1 to 5 with the last one searched, or without it. */
export function deepNetwork(withLast: boolean): LearnerNetwork {
  const { depth } = deepConfiguration;
  const searched = compressibleBlocks(deepConfiguration).flatMap((may, block) =>
    may && (withLast || block < depth - 1) ? [block] : [],
  );
  return { depth, tokens: deepTokens, searched };
}

/** What blocks keep that are not searched: the last one only the class token. */
export function deepFixed(): KeptNumbers {
  const all = Array.from({ length: deepConfiguration.depth }, (_, block) =>
    block === deepConfiguration.depth - 1 ? 1 : deepTokens,
  );
  return { pruneKept: all, mergeKept: all };
}

/** Without the last block, to a share of the uncompressed cost. */
export const deepProjection = (ratio: number): Projection => ({
  network: deepNetwork(false),
  fixed: deepFixed(),
  cost: deepCost,
  target: ratio * deepCost.baseline,
});

/** Kept numbers brought to that cost; where nothing else is given, all that goes is merged. */
export const fitDeep = (
  ratio: number,
  mergeKept: readonly number[],
  pruneKept = [deepTokens, ...mergeKept.slice(0, -1)],
): KeptNumbers => project(deepProjection(ratio), numbersOf(deepProjection(ratio), { pruneKept, mergeKept }));

/**
 * A step's result with gradients from a function of block and position.
 * @param kept numbers that the step would have used, for the range of positions that go.
 */
export function fakeStep(
  network: LearnerNetwork,
  kept: KeptNumbers,
  slope: (block: number, position: number, of: 'mask' | 'merging') => number,
): StepResult {
  const { tokens, searched } = network;
  let live = tokens;
  const gradients = searched.map((block): BlockGradients => {
    const left = Math.min(live, kept.pruneKept[block] ?? live);
    const start = Math.min(left, kept.mergeKept[block] ?? left);
    const end = live;
    live = start;
    const along = (of: 'mask' | 'merging'): Float64Array =>
      Float64Array.from({ length: tokens }, (_, position) =>
        of === 'merging' && (position < start || position >= end) ? 0 : slope(block, position, of),
      );
    const mask = along('mask');
    return {
      block,
      mask,
      merging: along('merging'),
      start,
      end,
      prune: left < end ? mask : undefined,
      merge: start < left ? mask : undefined,
    };
  });
  return { loss: 0, gradients };
}
