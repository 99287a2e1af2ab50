/** Runs a batch through all schedules of a tree, depth first: every shared block once, and only the states along one path in memory. */
import type { BlockNetworks, BlockState } from '../loading/block-networks.ts';
import type { ScheduleNode, ScheduleTree } from './schedule-tree.ts';

/**
 * Runs the batch.
 * @param pixels `[B, 3, S, S]`
 * @param onLogits called once for each schedule with its logits `[B, classes]`
 */
export async function runSchedules(
  networks: BlockNetworks,
  { first }: ScheduleTree,
  pixels: Float32Array,
  onLogits: (schedule: number, logits: Float32Array) => void,
): Promise<void> {
  const visit = async (nodes: ReadonlyMap<string, ScheduleNode>, index: number, state: BlockState): Promise<void> => {
    for (const { kept, next, schedules } of nodes.values()) {
      const after = await networks.run(index, state, kept);
      if (schedules.length > 0) {
        const logits = await networks.classify(after);
        for (const schedule of schedules) onLogits(schedule, logits);
      }
      await visit(next, index + 1, after);
    }
  };
  await visit(first, 0, await networks.embed(pixels));
}
