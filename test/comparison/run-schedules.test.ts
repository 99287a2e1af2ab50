/**
 * Schedules that share blocks, against networks of their own: the same answers, and every shared
 * block computed once.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { BlockNetworks } from '../../src/execution/block-networks.ts';
import { NetworkSession } from '../../src/execution/network-session.ts';
import { runSchedules } from '../../src/comparison/run-schedules.ts';
import { scheduleTree } from '../../src/comparison/schedule-tree.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { randomValues } from '../random-network.ts';
import { smallModel, smallNetwork } from '../small-networks.ts';

const batch = 3;

/**
 * Every kind of block: untouched, pruned, merged, both; merged again after sizes differ; numbers
 * that rise.
 */
const schedules: readonly KeptNumbers[] = [
  { pruneKept: [17, 15, 12, 8], mergeKept: [17, 14, 10, 5] },
  { pruneKept: [17, 15, 12, 8], mergeKept: [17, 14, 9, 5] },
  { pruneKept: [17, 15, 12, 4], mergeKept: [17, 14, 9, 2] },
  { pruneKept: [17, 17, 17, 17], mergeKept: [17, 17, 17, 17] },
  { pruneKept: [17, 13, 13, 13], mergeKept: [17, 13, 13, 13] },
  { pruneKept: [17, 13, 13, 13], mergeKept: [17, 13, 6, 6] },
  { pruneKept: [17, 17, 17, 17], mergeKept: [17, 12, 17, 4] },
  { pruneKept: [12, 10, 8, 3], mergeKept: [9, 7, 2, 2] },
  { pruneKept: [17, 15, 12, 12], mergeKept: [17, 14, 9, 9] },
];

describe.each(['class-token', 'mean'] as const)('runSchedules of a network whose head reads: %s', (pool) => {
  const model = smallModel({ pool });
  const { network } = model;
  const networks = new BlockNetworks(model, { runtime: nodeRuntime, batch, merging: 'similarity' });
  afterAll(() => networks.dispose());

  it('gives the answers of a network with constant kept numbers', async () => {
    const pixels = randomValues(batch * 3 * 32 * 32, 5);
    const found = new Map<number, Float32Array>();
    await runSchedules(networks, scheduleTree(schedules, network), pixels, (schedule, answers) => {
      expect(found.has(schedule)).toBe(false);
      found.set(schedule, answers);
    });
    for (const [index, schedule] of schedules.entries()) {
      const session = await NetworkSession.load(model, { runtime: nodeRuntime, reducer: diffRate(schedule, network) });
      const expected = await session.run(pixels);
      await session.dispose();
      const answers = found.get(index) ?? new Float32Array(0);
      expect(answers).toHaveLength(expected.length);
      const scale = Math.max(...expected.map(Math.abs));
      const error = Math.max(...expected.map((value, at) => Math.abs(value - (answers[at] ?? Number.NaN))));
      expect(error / scale, `schedule ${index}`).toBeLessThan(1e-5);
    }
    // Different kept numbers do differ: a path that took a neighbour's state would not be seen
    // otherwise.
    expect(found.get(0)).not.toEqual(found.get(1));
    // What the last block removes is seen where every token is read.
    for (const last of [2, 8]) {
      if (pool === 'mean') expect(found.get(1)).not.toEqual(found.get(last));
      else expect(found.get(1)).toEqual(found.get(last));
    }
  });
});

describe('scheduleTree', () => {
  it('has a node for each block that is shared, and tells what that saves', () => {
    const network = smallNetwork();
    const tree = scheduleTree(schedules.slice(0, 3), network);
    // Blocks 0 and 1 are common, block 2 is there twice, the last block is no node.
    expect(tree.nodes).toBe(4);
    expect(tree.saved).toBeGreaterThan(0.3);
    expect(scheduleTree([schedules[0] as KeptNumbers], network).saved).toBeCloseTo(0, 10);
  });

  it('says where a schedule has another number of blocks', () => {
    const short = { pruneKept: [17, 12, 9], mergeKept: [17, 12, 9] };
    expect(() => scheduleTree([short], smallNetwork())).toThrow(/for 3 blocks but the network has 4/);
  });

  it('runs a network of a single block', async () => {
    const model = smallModel({ depth: 1, pool: 'mean' });
    const networks = new BlockNetworks(model, { runtime: nodeRuntime, batch, merging: 'patches' });
    const kept = { pruneKept: [12], mergeKept: [9], merging: 'patches' } as const;
    const pixels = randomValues(batch * 3 * 32 * 32, 5);
    const found: Float32Array[] = [];
    await runSchedules(networks, scheduleTree([kept], model.network), pixels, (_, answers) => found.push(answers));
    await networks.dispose();
    const session = await NetworkSession.load(model, {
      runtime: nodeRuntime,
      reducer: diffRate(kept, model.network),
    });
    const expected = await session.run(pixels);
    await session.dispose();
    expect(found).toHaveLength(1);
    found[0]?.forEach((value, at) => expect(value).toBeCloseTo(expected[at] ?? Number.NaN, 4));
  });
});
