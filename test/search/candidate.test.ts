/**
 * Candidates that continue from the blocks that they share with the leading schedule, against whole compressed networks: the same losses,
 * and no shared block run again.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createImageLoader } from '../../src/data/batches.ts';
import { openImageFolder } from '../../src/data/image-folder.ts';
import type { ImageFolder } from '../../src/data/image-folder.ts';
import { countFlops } from '../../src/cost/flops.ts';
import { BlockNetworks } from '../../src/loading/block-networks.ts';
import type { BlockState } from '../../src/loading/block-networks.ts';
import { NetworkSession } from '../../src/loading/network-session.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { effectiveTokens } from '../../src/reduction/schedule.ts';
import type { EffectiveBlock, KeptNumbers } from '../../src/reduction/schedule.ts';
import { presets } from '../../src/search/presets.ts';
import { floats } from '../../src/runtime/runtime.ts';
import { CalibrationSet } from '../../src/search/calibration-set.ts';
import { Candidate } from '../../src/search/candidate.ts';
import { firstDifference, roomFor } from '../../src/search/leading-blocks.ts';
import type { LeadingBlocks } from '../../src/search/leading-blocks.ts';
import { Looks, lossesOf, raceAgainst } from '../../src/search/race.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { randomModel, smallConfiguration } from '../random-network.ts';

/** The last look is smaller than the others, and smaller than a batch. */
const count = 11;
const looks = 3;
const lookEvery = 4;
const tokens = 17;
const { depth } = smallConfiguration;

let root = '';
let folder: ImageFolder;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'diffrate-candidates-'));
  await writeRandomImages(root, count);
  folder = await openImageFolder(root);
});
afterAll(() => rmSync(root, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

/** Falling kept numbers of blocks 1 and 2; a head that reads patches gets all that are left. */
const keptNumbers = (pruned: readonly number[], merged: readonly number[]): KeptNumbers => {
  let live = tokens;
  const [pruneKept, mergeKept] = [[tokens], [tokens]];
  pruned.forEach((count, index) => {
    pruneKept.push(Math.max(3, live - count));
    live = Math.max(3, live - count - (merged[index] ?? 0));
    mergeKept.push(live);
  });
  return { pruneKept: [...pruneKept, tokens], mergeKept: [...mergeKept, tokens] };
};

const anyNumbers = fc
  .tuple(
    fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 2, maxLength: 2 }),
    fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 2, maxLength: 2 }),
  )
  .map(([pruned, merged]) => keptNumbers(pruned, merged));

describe('roomFor', () => {
  const blocks = effectiveTokens({ pruneKept: [197, 150, 100, 80], mergeKept: [197, 120, 80, 60] }, 197);
  /** Of one image before blocks 1, 2 and 3. */
  const bytes = [197, 120, 80].map((entering) => 4 * entering * 193);

  it('keeps the tokens before every block but the first where they fit into 400 MB', () => {
    const images = Math.floor(400e6 / (bytes[0]! + bytes[1]! + bytes[2]!));
    expect(roomFor(blocks, images, 192)).toEqual({ blocks: new Set([1, 2, 3]), images });
    expect(roomFor(blocks, images + 1, 192).blocks.size).toBeLessThan(3);
  });

  it('keeps all images’ tokens before fewer blocks, evenly spread, and then fewer images’', () => {
    const two = Math.floor(400e6 / (bytes[0]! + bytes[2]!));
    expect(roomFor(blocks, two, 192)).toEqual({ blocks: new Set([1, 3]), images: two });
    const one = Math.floor(400e6 / bytes[1]!);
    expect(roomFor(blocks, two + 1, 192)).toEqual({ blocks: new Set([2]), images: two + 1 });
    expect(roomFor(blocks, one + 1, 192)).toEqual({ blocks: new Set([2]), images: one });
  });
});

describe('candidates without room for all states', () => {
  const state: BlockState = { features: floats(new Float32Array(1), [1]), size: floats(new Float32Array(1), [1]) };

  /** Schedules of a network so wide, on three images in one look, and what runs of them. */
  const wideNetwork = (width: number): { ran: string[]; candidate: (kept: KeptNumbers) => Candidate } => {
    const configuration = { ...smallConfiguration, width };
    const ran: string[] = [];
    const recorded = (what: string): Promise<BlockState> => {
      ran.push(what);
      return Promise.resolve(state);
    };
    let leader: LeadingBlocks | undefined;
    const candidate = (numbers: KeptNumbers): Candidate =>
      new Candidate(
        {
          looks: new Looks(3, 1),
          batch: 1,
          configuration,
          networks: {
            embed: () => recorded('embedding'),
            run: (block) => recorded(`block ${block}`),
            classify: () => Promise.resolve(new Float32Array(10)),
          },
          pixels: () => new Float32Array(0),
          targets: () => new Float32Array(10).fill(0.1),
          leader,
          lead: (states) => {
            leader = states;
          },
        },
        numbers,
      );
    return { ran, candidate };
  };

  it('run the images whole whose states are not there', async () => {
    // Only two of three images' tokens fit, and those before one block.
    const width = 3_000_000;
    const kept = { pruneKept: [17, 15, 12, 8], mergeKept: [17, 14, 10, 5] };
    expect(roomFor(effectiveTokens(kept, tokens), 3, width)).toEqual({ blocks: new Set([2]), images: 2 });
    const { ran, candidate } = wideNetwork(width);
    const best = candidate(kept);
    await best.run(0);
    best.lead();
    ran.length = 0;
    await candidate({ ...kept, mergeKept: [17, 14, 9, 5] }).run(0);
    expect(ran).toEqual(['block 2', 'block 2', 'embedding', 'block 0', 'block 1', 'block 2']);
  });

  it('count as many passes after a search that was stopped as if it had not been, whatever is in memory', async () => {
    const width = 1_388_000;
    const first = { pruneKept: [17, 14, 10, 5], mergeKept: [17, 14, 10, 5] };
    const second = { pruneKept: [17, 14, 4, 3], mergeKept: [17, 14, 4, 3] };
    const roomOf = (kept: KeptNumbers): ReadonlySet<number> => roomFor(effectiveTokens(kept, tokens), 3, width).blocks;
    expect([roomOf(first), roomOf(second)]).toEqual([new Set([2]), new Set([1, 3])]);
    const passesOf = async (leaders: readonly KeptNumbers[]): Promise<{ passes: number; ran: number }> => {
      const { ran, candidate } = wideNetwork(width);
      for (const kept of leaders) {
        const leading = candidate(kept);
        await leading.run(0);
        leading.lead();
      }
      ran.length = 0;
      const challenger = candidate({ pruneKept: [17, 12, 4, 3], mergeKept: [17, 12, 4, 3] });
      await challenger.run(0);
      return { passes: challenger.passes, ran: ran.length };
    };
    const [unbroken, resumed] = [await passesOf([first, second]), await passesOf([second])];
    expect(unbroken.ran).not.toBe(resumed.ran);
    expect(unbroken.passes).toBe(resumed.passes);
  });
});

describe('firstDifference', () => {
  it('is the first block in which what is kept differs, the last where none does', () => {
    const blocks = (kept: KeptNumbers): EffectiveBlock[] => effectiveTokens(kept, 17);
    const one = blocks({ pruneKept: [17, 15, 12], mergeKept: [17, 14, 10] });
    expect(firstDifference(one, one)).toBe(2);
    expect(firstDifference(one, blocks({ pruneKept: [20, 15, 12], mergeKept: [17, 14, 9] }))).toBe(2);
    expect(firstDifference(one, blocks({ pruneKept: [17, 16, 12], mergeKept: [17, 14, 10] }))).toBe(1);
    expect(firstDifference(one, blocks({ pruneKept: [16, 15, 12], mergeKept: [17, 14, 10] }))).toBe(0);
  });
});

const plan = { preset: presets['small-data'], targets: 'teacher', seed: 1 } as const;

describe.each(['class-token', 'mean'] as const)('candidates of a network whose head reads: %s', (pool) => {
  const model = randomModel({ ...smallConfiguration, pool });
  /** The answers of whole networks, by schedule. */
  const known = new Map<string, Float64Array>();
  let images: CalibrationSet;
  let pixels: Float32Array[];

  beforeAll(async () => {
    images = await CalibrationSet.load({ model, folder }, plan, looks, { threads: 1 });
    pixels = [];
    const { preprocessing } = model.configuration;
    const loader = createImageLoader({ folder, preprocessing, batchSize: 1 });
    for await (const batch of loader) pixels.push(batch.pixels);
    await loader.close();
  });
  afterAll(() => images.dispose());

  const probabilities = async (kept?: KeptNumbers): Promise<number[][]> => {
    const session = await NetworkSession.load(
      model,
      kept === undefined ? {} : { reducer: diffRate(kept, tokens, { merging: plan.preset.merging }) },
    );
    const rows: number[][] = [];
    for (const image of pixels) {
      const weights = [...(await session.run(image))].map(Math.exp);
      const sum = weights.reduce((a, b) => a + b);
      rows.push(weights.map((weight) => weight / sum));
    }
    await session.dispose();
    return rows;
  };

  /** Losses of the images by whole networks, smallest first: candidates have them in the calibration set's own order. */
  const wholeLosses = async (kept: KeptNumbers): Promise<Float64Array> => {
    const key = JSON.stringify(kept);
    const before = known.get(key);
    if (before !== undefined) return before;
    const [wanted, given] = [await probabilities(), await probabilities(kept)];
    const losses = Float64Array.from(wanted, (row, image) =>
      row.reduce((sum, p, index) => sum + p * Math.log(p / (given[image]?.[index] as number)), 0),
    ).sort();
    known.set(key, losses);
    return losses;
  };

  const expectClose = (found: Float64Array, expected: Float64Array): void => {
    expect(found).toHaveLength(expected.length);
    [...found]
      .sort((a, b) => a - b)
      .forEach((loss, index) => {
        expect(Math.abs(loss - (expected[index] as number))).toBeLessThan(1e-5 * (1 + Math.abs(loss)));
      });
  };

  /** Image passes of a look that begins at this block. */
  const passesFrom = (kept: KeptNumbers, from: number): number => {
    const { blocks, after, total } = countFlops(model.configuration, kept);
    return (lookEvery * blocks.slice(from).reduce((sum, flops) => sum + flops, after)) / total;
  };

  /** Whether this schedule leads: nothing of it but the head has to run again, and that gives the same to the bit. */
  const expectLeading = async (kept: KeptNumbers, losses: Float64Array): Promise<void> => {
    const again = images.candidate(kept);
    for (const look of [1, 0]) await again.run(look);
    expect(again.losses.subarray(0, 2 * lookEvery)).toEqual(losses.subarray(0, 2 * lookEvery));
    expect(again.passes).toBeCloseTo(2 * passesFrom(kept, depth - 1), 10);
  };

  it('have the losses of whole networks after any races, won and lost', async () => {
    let [won, lost] = [0, 0];
    await fc.assert(
      fc.asyncProperty(fc.array(anyNumbers, { minLength: 3, maxLength: 7 }), async ([first, ...challengers]) => {
        let best = first as KeptNumbers;
        let { losses } = await lossesOf(images, best);
        expectClose(losses, await wholeLosses(best));
        for (const [index, challenger] of challengers.entries()) {
          const race = await raceAgainst(images, challenger, losses, index % looks);
          if (race.won) {
            best = challenger;
            won += 1;
          } else lost += 1;
          losses = race.losses;
          expectClose(losses, await wholeLosses(best));
          await expectLeading(best, losses);
        }
      }),
      { numRuns: 12 },
    );
    expect(won).toBeGreaterThan(0);
    expect(lost).toBeGreaterThan(0);
  });

  it('have the losses that a set without a leading schedule gives, to the bit', async () => {
    const [best, other] = [keptNumbers([0, 1], [3, 2]), keptNumbers([0, 3], [3, 2])];
    await lossesOf(images, best);
    const shared = await lossesOf(images, other);
    const fresh = await CalibrationSet.load({ model, folder }, plan, looks, { threads: 1 });
    const alone = await lossesOf(fresh, other);
    await fresh.dispose();
    expect(shared.losses).toEqual(alone.losses);
    expect(alone.passes).toBe(count);
    expect(shared.passes).toBeLessThan(count);
  });

  it('run no block of a look that the leading schedule shares, and count what runs by its FLOPs', async () => {
    const best = keptNumbers([0, 1], [3, 2]);
    await lossesOf(images, best);
    const run = vi.spyOn(BlockNetworks.prototype, 'run');
    const embed = vi.spyOn(BlockNetworks.prototype, 'embed');
    for (const [challenger, from, look] of [
      [keptNumbers([1, 0], [2, 2]), 1, 0],
      [keptNumbers([0, 0], [3, 2]), 2, 1],
    ] as const) {
      run.mockClear();
      const candidate = images.candidate(challenger);
      await candidate.run(look);
      // The last block is part of the head.
      expect(run.mock.calls.map(([block]) => block)).toEqual(
        Array.from({ length: depth - 1 - from }, (_, index) => from + index),
      );
      expect(candidate.passes).toBeCloseTo(passesFrom(challenger, from), 10);
    }
    expect(embed).not.toHaveBeenCalled();
  });
});
