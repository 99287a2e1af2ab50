/**
 * Runs a batch through all schedules of a tree, depth first:
 * every shared block once, and only the states along one path in memory.
 */
import type { BlockNetworks, BlockState } from '../execution/block-networks.ts';
import type { ScheduleBranch, ScheduleTree } from './schedule-tree.ts';

/**
 * Runs the batch.
 * @param pixels `[B, channels, height, width]`
 * @param onAnswers called once for each schedule with its answers `[B, D]`
 */
export async function runSchedules(
  networks: BlockNetworks,
  { root }: ScheduleTree,
  pixels: Float32Array,
  onAnswers: (schedule: number, answers: Float32Array) => void,
): Promise<void> {
  const visit = async ({ next, ends }: ScheduleBranch, index: number, state: BlockState): Promise<void> => {
    for (const { kept, schedules } of ends.values()) {
      const answers = await networks.readout(state, kept);
      for (const schedule of schedules) onAnswers(schedule, answers);
    }
    for (const node of next.values()) await visit(node, index + 1, await networks.run(index, state, node.kept));
  };
  await visit(root, 0, await networks.embed(pixels));
}
