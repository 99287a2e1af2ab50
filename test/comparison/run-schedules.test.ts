/** Schedules that share blocks, against networks of their own: the same logits, and every shared block computed once. */
import { afterAll, describe, expect, it } from 'vitest';
import { BlockNetworks } from '../../src/loading/block-networks.ts';
import { runSchedules } from '../../src/comparison/run-schedules.ts';
import { scheduleTree } from '../../src/comparison/schedule-tree.ts';
import { NetworkSession } from '../../src/loading/network-session.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { randomModel, randomValues, smallConfiguration } from '../random-network.ts';

const batch = 3;

/** Every kind of block: untouched, pruned, merged, both; merged again after sizes differ; numbers that rise. */
const schedules: readonly KeptNumbers[] = [
  { pruneKept: [17, 15, 12, 8], mergeKept: [17, 14, 10, 5] },
  { pruneKept: [17, 15, 12, 8], mergeKept: [17, 14, 9, 5] },
  { pruneKept: [17, 15, 12, 4], mergeKept: [17, 14, 9, 2] },
  { pruneKept: [17, 17, 17, 17], mergeKept: [17, 17, 17, 17] },
  { pruneKept: [17, 13, 13, 13], mergeKept: [17, 13, 13, 13] },
  { pruneKept: [17, 13, 13, 13], mergeKept: [17, 13, 6, 6] },
  { pruneKept: [17, 17, 17, 17], mergeKept: [17, 12, 17, 4] },
  { pruneKept: [12, 10, 8, 3], mergeKept: [9, 7, 2, 2] },
];

describe.each(['class-token', 'mean'] as const)('runSchedules of a network whose head reads: %s', (pool) => {
  const model = randomModel({ ...smallConfiguration, pool });
  const networks = new BlockNetworks(model, batch);
  afterAll(() => networks.dispose());

  it('gives the logits of a network with constant kept numbers', async () => {
    const pixels = randomValues(batch * 3 * 32 * 32, 5);
    const found = new Map<number, Float32Array>();
    await runSchedules(networks, scheduleTree(schedules, smallConfiguration), pixels, (schedule, logits) => {
      expect(found.has(schedule)).toBe(false);
      found.set(schedule, logits);
    });
    for (const [index, schedule] of schedules.entries()) {
      const kept = pool === 'mean' ? withWholeLastBlock(schedule) : schedule;
      const session = await NetworkSession.load(model, { reducer: diffRate(kept, 17) });
      const expected = await session.run(pixels);
      await session.dispose();
      const logits = found.get(index) ?? new Float32Array(0);
      expect(logits).toHaveLength(expected.length);
      const scale = Math.max(...expected.map(Math.abs));
      const error = Math.max(...expected.map((value, at) => Math.abs(value - (logits[at] ?? Number.NaN))));
      expect(error / scale, `schedule ${index}`).toBeLessThan(1e-5);
    }
    // Different kept numbers do differ: a path that took a neighbour's state would not be seen otherwise.
    expect(found.get(0)).not.toEqual(found.get(1));
    expect(found.get(1)).toEqual(found.get(2));
  });
});

/** Where all patches are read, the last block removes none. */
const withWholeLastBlock = ({ pruneKept, mergeKept }: KeptNumbers): KeptNumbers => ({
  pruneKept: [...pruneKept.slice(0, -1), 17],
  mergeKept: [...mergeKept.slice(0, -1), 17],
});

describe('scheduleTree', () => {
  it('has a node for each block that is shared, and tells what that saves', () => {
    const tree = scheduleTree(schedules.slice(0, 3), smallConfiguration);
    // Blocks 0 and 1 are common, block 2 is there twice, the last block is no node.
    expect(tree.nodes).toBe(4);
    expect(tree.saved).toBeGreaterThan(0.3);
    expect(scheduleTree([schedules[0] as KeptNumbers], smallConfiguration).saved).toBeCloseTo(0, 10);
  });
});
