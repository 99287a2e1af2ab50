/**
 * What a schedule leaves between its blocks, in memory: another schedule that keeps the same numbers in its leading blocks continues from
 * there. The states are those of `loading/block-networks.ts`, so the answers are the same to the bit.
 */
import type { BlockState } from '../loading/block-networks.ts';
import type { EffectiveBlock } from '../reduction/schedule.ts';

/** Most memory for the states of one schedule, in bytes. In a race there are those of two, but for what they have in common. */
const stateBytes = 400e6;

/** A schedule, and the tokens between its blocks. */
export interface LeadingBlocks {
  readonly blocks: readonly EffectiveBlock[];
  /** By batch, then by the block that the tokens enter. Batches that there is no room for are not there. */
  readonly states: readonly (readonly BlockState[])[];
}

/** The first block in which two schedules of a network differ. Where they nowhere do, the last: its own numbers do not reach the head. */
export function firstDifference(one: readonly EffectiveBlock[], other: readonly EffectiveBlock[]): number {
  const first = one.findIndex(({ pruneKept, mergeKept }, index) => {
    const { pruneKept: otherPruneKept, mergeKept: otherMergeKept } = other[index] as EffectiveBlock;
    return pruneKept !== otherPruneKept || mergeKept !== otherMergeKept;
  });
  return first === -1 ? one.length - 1 : first;
}

/**
 * Batches whose states there is room for.
 * @param batch images in one.
 * @param width C: a token is C features and its size, in float32.
 */
export function batchesWithRoom(blocks: readonly EffectiveBlock[], batch: number, width: number): number {
  const tokens = blocks.reduce((sum, { tokensIn }) => sum + tokensIn, 0);
  return Math.floor(stateBytes / (4 * batch * tokens * (width + 1)));
}
