/**
 * What a schedule leaves between its blocks, in memory: another schedule that keeps the same
 * numbers in its leading blocks continues from there. The states are those of `block-networks.ts`,
 * so the answers are the same to the bit. They are kept for all images where there is room, but not
 * before every block then: running a few blocks again is cheaper than to begin with the pixels.
 */
import type { BlockState } from './block-networks.ts';
import type { Network } from '../networks/network.ts';
import type { EffectiveBlock } from '../reduction/schedule.ts';
import { tokenCount } from '../reduction/token-layout.ts';

/**
 * Memory that one schedule plans for its states, in bytes. What it takes over from the leading one
 * stays, which can be a block or two more. In a race there are the states of two, but for what they
 * have in common.
 */
const stateBytes = 400e6;

/** A schedule, and what is planned to be in memory of it. */
export interface LeadingBlocks {
  readonly blocks: readonly EffectiveBlock[];
  /**
   * What there is room for. What is in memory can be more, taken over from the schedule that led
   * before, or less.
   */
  readonly room: Room;
}

/** A schedule, and the tokens between its blocks. */
export interface LeadingStates extends LeadingBlocks {
  /**
   * By the first image of a batch, then by the block that the tokens enter. What there is no room
   * for is not there.
   */
  readonly states: Map<number, ReadonlyMap<number, BlockState>>;
}

/** Numbers of a token between two blocks. */
export function tokenNumbers({ width, restore, layout }: Pick<Network, 'width' | 'restore' | 'layout'>): number {
  return width + 1 + (restore === undefined ? 0 : tokenCount(layout));
}

/**
 * The first block in which two schedules of a network differ. Where they nowhere do, the last: its
 * own numbers do not reach the head.
 */
export function firstDifference(one: readonly EffectiveBlock[], other: readonly EffectiveBlock[]): number {
  const first = one.findIndex(({ pruneKept, mergeKept }, index) => {
    const { pruneKept: otherPruneKept, mergeKept: otherMergeKept } = other[index] as EffectiveBlock;
    return pruneKept !== otherPruneKept || mergeKept !== otherMergeKept;
  });
  return first === -1 ? one.length - 1 : first;
}

/** Of which tokens a schedule plans to keep the states; follows from its kept numbers alone. */
export interface Room {
  /** Blocks before which the tokens are kept, evenly spread. */
  readonly blocks: ReadonlySet<number>;
  /** Images from the first on whose tokens are. */
  readonly images: number;
}

/**
 * As many blocks as there is room for before which all images' tokens are kept; where there is none
 * for a single one, fewer images.
 * @param images in all.
 * @param width numbers of a token: C features, its size, and its sources where the network restores
 *   tokens, in float32.
 */
export function roomFor(blocks: readonly EffectiveBlock[], images: number, width: number): Room {
  const bytes = (chosen: readonly number[]): number =>
    chosen.reduce((sum, block) => sum + 4 * (blocks[block] as EffectiveBlock).tokensIn * width, 0);
  for (let count = blocks.length - 1; count > 0; count--) {
    const chosen = Array.from({ length: count }, (_, index) => Math.round((blocks.length * (index + 1)) / (count + 1)));
    const fits = Math.min(images, Math.floor(stateBytes / bytes(chosen)));
    if (fits === images || count === 1) return { blocks: new Set(chosen), images: fits };
  }
  return { blocks: new Set(), images: 0 };
}

/**
 * The block from which a schedule is charged for an image where another one leads; `undefined`
 * where it is for all of it. It follows from the two schedules, not from what happens to be in
 * memory, so that a search which was stopped counts its passes on as if it had not been.
 * @param difference first block in which they differ.
 */
export function chargedFrom({ room }: Pick<LeadingBlocks, 'room'>, difference: number): number | undefined {
  const shared = [...room.blocks].filter((block) => block <= difference);
  return shared.length === 0 ? undefined : Math.max(...shared);
}
