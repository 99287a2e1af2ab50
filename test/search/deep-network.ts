/** A network as learners see it: sizes and a cost, no weights. */
import type { Cost } from '../../src/cost/cost.ts';
import { flopsCost } from '../../src/cost/flops-cost.ts';
import { blockMasks } from '../../src/execution/masks.ts';
import type { BlockGradients, StepResult } from '../../src/execution/gradient-step.ts';
import { visionTransformer } from '../../src/networks/vision-transformer/vision-transformer.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { searchSpace } from '../../src/reduction/search-space.ts';
import type { SearchSpace } from '../../src/reduction/search-space.ts';
import { tokenCount } from '../../src/reduction/token-layout.ts';
import { numbersOf, project } from '../../src/search/projection.ts';
import type { Projection } from '../../src/search/projection.ts';
import { smallSizes } from '../small-networks.ts';

/** 50 tokens in six blocks, wide enough that its GFLOPs are of the order of 1. */
export const deepNetwork = visionTransformer({
  ...smallSizes,
  inputSize: { height: 112, width: 112 },
  patchSize: 16,
  width: 512,
  depth: 6,
  heads: 8,
  hiddenWidth: 2048,
});

/** Tokens at its first block. */
export const deepTokens = tokenCount(deepNetwork.layout);

/** The published count of its FLOPs. */
export const deepCost: Cost = flopsCost(deepNetwork);

/** Blocks 1 to 5 with the last one searched, or without it: it keeps the class token only. */
export const deepSpace = (withLast: boolean): SearchSpace => searchSpace(deepNetwork, withLast);

/** What blocks keep that are not searched: the last one only the class token. */
export function deepFixed(): KeptNumbers {
  const all = Array.from({ length: deepNetwork.depth }, (_, block) =>
    block === deepNetwork.depth - 1 ? 1 : deepTokens,
  );
  return { pruneKept: all, mergeKept: all };
}

/** Without the last block, to a share of the uncompressed cost. */
export const deepProjection = (ratio: number): Projection => ({
  space: deepSpace(false),
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
  { layout, searched }: SearchSpace,
  kept: KeptNumbers,
  slope: (block: number, position: number, of: 'mask' | 'merging') => number,
): StepResult {
  const tokens = tokenCount(layout);
  let live = tokens;
  const gradients = searched.map((block): BlockGradients => {
    const masks = blockMasks(tokens, live, kept.pruneKept[block] ?? live, kept.mergeKept[block] ?? live);
    const { liveBefore: end, liveAfter: start } = masks;
    live = start;
    const along = (of: 'mask' | 'merging'): Float64Array =>
      Float64Array.from({ length: tokens }, (_, position) =>
        of === 'merging' && (position < start || position >= end) ? 0 : slope(block, position, of),
      );
    return { block, mask: along('mask'), merging: along('merging'), start, end, masks };
  });
  return { loss: 0, gradients };
}
