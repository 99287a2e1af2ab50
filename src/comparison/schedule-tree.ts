/**
 * Schedules as a tree: those that keep the same numbers in their leading blocks share these blocks'
 * nodes. The last block is no node, as it runs together with the readout.
 */
import { attentionFlops, mlpFlops } from '../networks/network-flops.ts';
import type { BlockFlops } from '../networks/network-flops.ts';
import type { NetworkDescription } from '../networks/network.ts';
import { effectiveTokens } from '../reduction/schedule.ts';
import type { EffectiveBlock, KeptNumbers } from '../reduction/schedule.ts';
import { tokenCount } from '../reduction/token-layout.ts';

/** What may follow the same leading blocks. */
export interface ScheduleBranch {
  /** Blocks that are not the last one, by their kept numbers. */
  readonly next: Map<string, ScheduleNode>;
  /** The last block and the readout, by its kept numbers where these matter. */
  readonly ends: Map<string, ScheduleEnd>;
}

/** A block of one or more schedules, and what follows it. */
export interface ScheduleNode extends ScheduleBranch {
  readonly kept: EffectiveBlock;
}

/** The end of schedules that give the same answers. */
export interface ScheduleEnd {
  /**
   * What the last block keeps; absent where the readout does not see it, or the block removes
   * nothing.
   */
  readonly kept: EffectiveBlock | undefined;
  /** Positions in the list that the tree was made of. */
  readonly schedules: number[];
}

/** The tree. */
export interface ScheduleTree {
  readonly root: ScheduleBranch;
  /** Blocks that are to be computed, the last one of all schedules not counted. */
  readonly nodes: number;
  /**
   * Share of the FLOPs (paper's count, without the last block) that is saved by computing shared
   * blocks once.
   */
  readonly saved: number;
}

/** What is known of a network whose schedules are put into a tree. */
export type TreeNetwork = Pick<NetworkDescription, 'layout' | 'depth' | 'reads' | 'flops'>;

/**
 * The tree of some schedules of one network.
 * @throws {DiffrateError} if a schedule has another number of blocks than the network.
 */
export function scheduleTree(schedules: readonly KeptNumbers[], network: TreeNetwork): ScheduleTree {
  const { layout, depth, reads, flops } = network;
  const root: ScheduleBranch = { next: new Map(), ends: new Map() };
  let nodes = 0;
  let [computed, alone] = [flops.before, 0];
  for (const [schedule, numbers] of schedules.entries()) {
    alone += flops.before + flops.after;
    computed += flops.after;
    let branch = root;
    const blocks = effectiveTokens(numbers, tokenCount(layout), depth);
    for (const [index, kept] of blocks.slice(0, -1).entries()) {
      const own = flops.blocks[index] as BlockFlops;
      const cost = attentionFlops(own, kept.tokensIn) + mlpFlops(own, kept.tokensOut);
      alone += cost;
      let node = branch.next.get(keyOf(kept));
      if (node === undefined) {
        node = { kept, next: new Map(), ends: new Map() };
        branch.next.set(keyOf(kept), node);
        nodes += 1;
        computed += cost;
      }
      branch = node;
    }
    const last = blocks.at(-1);
    const kept = reads === 'prefix' || last === undefined || last.tokensOut === last.tokensIn ? undefined : last;
    const key = kept === undefined ? '' : keyOf(kept);
    const end = branch.ends.get(key) ?? { kept, schedules: [] };
    branch.ends.set(key, end);
    end.schedules.push(schedule);
  }
  return { root, nodes, saved: alone === 0 ? 0 : 1 - computed / alone };
}

const keyOf = ({ pruneKept, mergeKept }: EffectiveBlock): string => `${pruneKept},${mergeKept}`;
