/**
 * Schedules as a tree: those that keep the same numbers in their leading blocks share these blocks' nodes. The kept numbers of the last
 * block reach no head that reads the class token, and where the head reads the patches it removes none, so they are no part of it.
 */
import { attentionFlops, countFlops, mlpFlops } from '../cost/flops.ts';
import { tokenCount } from '../models/configuration.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import { effectiveTokens } from '../reduction/schedule.ts';
import type { EffectiveBlock, KeptNumbers } from '../reduction/schedule.ts';

/** A block of one or more schedules, and what follows it. */
export interface ScheduleNode {
  readonly kept: EffectiveBlock;
  /** By the kept numbers of the next block. */
  readonly next: Map<string, ScheduleNode>;
  /** Schedules that end here: positions in the list that the tree was made of. */
  readonly schedules: number[];
}

/** The tree. */
export interface ScheduleTree {
  /** The first blocks. */
  readonly first: ReadonlyMap<string, ScheduleNode>;
  /** Blocks that are to be computed, the last one of all schedules not counted. */
  readonly nodes: number;
  /** Share of the FLOPs (paper's count, without the last block) that is saved by computing shared blocks once. */
  readonly saved: number;
}

/** The tree of some schedules of one network. */
export function scheduleTree(
  schedules: readonly KeptNumbers[],
  configuration: VisionTransformerConfiguration,
): ScheduleTree {
  const tokens = tokenCount(configuration);
  const { width, hiddenWidth } = configuration;
  const first = new Map<string, ScheduleNode>();
  let nodes = 0;
  let [computed, alone] = [0, 0];
  for (const [schedule, numbers] of schedules.entries()) {
    const { before, after } = countFlops(configuration, numbers);
    alone += before + after;
    if (schedule === 0) computed += before;
    computed += after;
    let level = first;
    const blocks = effectiveTokens(numbers, tokens).slice(0, -1);
    for (const [index, kept] of blocks.entries()) {
      const key = `${kept.pruneKept},${kept.mergeKept}`;
      const flops = attentionFlops(kept.tokensIn, width) + mlpFlops(kept.tokensOut, width, hiddenWidth);
      alone += flops;
      let node = level.get(key);
      if (node === undefined) {
        node = { kept, next: new Map(), schedules: [] };
        level.set(key, node);
        nodes += 1;
        computed += flops;
      }
      if (index === blocks.length - 1) node.schedules.push(schedule);
      level = node.next;
    }
  }
  return { first, nodes, saved: alone === 0 ? 0 : 1 - computed / alone };
}
