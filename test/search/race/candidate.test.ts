/**
 * Candidates that continue from the blocks that they share with the leading schedule, against whole
 * compressed networks: the same losses, and no shared block run again.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { countFlops } from '../../../src/cost/flops.ts';
import { createImageLoader } from '../../../src/data/batches.ts';
import type { ImageSource } from '../../../src/data/image-source.ts';
import { openImageFolder } from '../../../src/data/open-image-folder.ts';
import { BlockNetworks } from '../../../src/execution/block-networks.ts';
import type { BlockState } from '../../../src/execution/block-networks.ts';
import { CalibrationLosses } from '../../../src/execution/calibration-losses.ts';
import { roomFor, tokenNumbers } from '../../../src/execution/leading-states.ts';
import { LocalEvaluator } from '../../../src/execution/local-evaluator.ts';
import { Looks } from '../../../src/execution/looks.ts';
import { NetworkSession } from '../../../src/execution/network-session.ts';
import type { Model } from '../../../src/networks/model.ts';
import { objectiveFor } from '../../../src/objectives/registry.ts';
import { diffRate } from '../../../src/reduction/methods/diffrate.ts';
import { effectiveTokens } from '../../../src/reduction/schedule.ts';
import type { KeptNumbers } from '../../../src/reduction/schedule.ts';
import { smallestKept, tokenCount } from '../../../src/reduction/token-layout.ts';
import type { TokenLayout } from '../../../src/reduction/token-layout.ts';
import { nodeRuntime } from '../../../src/runtime/node/runtime.ts';
import { floats } from '../../../src/runtime/runtime.ts';
import { EvaluatedImages } from '../../../src/search/race/candidate.ts';
import type { Candidate } from '../../../src/search/race/candidate.ts';
import { lossesOf, raceAgainst } from '../../../src/search/race/race.ts';
import { writeRandomImages } from '../../evaluation/random-images.ts';
import { evaluatorOptions } from '../../execution/evaluator-options.ts';
import { smallModel, smallNetwork } from '../../small-networks.ts';
import type { SmallSizes } from '../../small-networks.ts';

/** The last look is smaller than the others, and smaller than a batch. */
const count = 11;
const looks = 3;
const lookEvery = 4;

let root = '';
let folder: ImageSource;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'diffrate-candidates-'));
  await writeRandomImages(root, count);
  folder = await openImageFolder(root);
});
afterAll(() => rmSync(root, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

/** Falling kept numbers of blocks 1 and 2; a head that reads patches gets all that are left. */
const keptNumbers = (layout: TokenLayout, pruned: readonly number[], merged: readonly number[]): KeptNumbers => {
  const [tokens, least] = [tokenCount(layout), smallestKept(layout) + 1];
  let live = tokens;
  const [pruneKept, mergeKept] = [[tokens], [tokens]];
  pruned.forEach((count, index) => {
    pruneKept.push(Math.max(least, live - count));
    live = Math.max(least, live - count - (merged[index] ?? 0));
    mergeKept.push(live);
  });
  return { pruneKept: [...pruneKept, tokens], mergeKept: [...mergeKept, tokens] };
};

const twoNumbers = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 2, maxLength: 2 });

describe('candidates without room for all states', () => {
  const state: BlockState = { features: floats(new Float32Array(1), [1]), size: floats(new Float32Array(1), [1]) };
  const tokens = 17;

  /** Schedules of a network so wide, on three images in looks of one, and what runs of them. */
  const wideNetwork = (width: number): { ran: string[]; candidate: (kept: KeptNumbers) => Candidate } => {
    const network = { ...smallNetwork(), width };
    const ran: string[] = [];
    const recorded = (what: string): Promise<BlockState> => {
      ran.push(what);
      return Promise.resolve(state);
    };
    const three = new Looks(3, 3);
    const losses = new CalibrationLosses({
      network,
      blocks: {
        embed: () => recorded('embedding'),
        run: (block) => recorded(`block ${block}`),
        readout: () => Promise.resolve(new Float32Array(10)),
      },
      objective: objectiveFor(network.answers),
      looks: three,
      pixels: new Float32Array(0),
      targets: new Float32Array(30).fill(0.1),
    });
    const evaluator = {
      losses: (kept: KeptNumbers, look: number) => losses.of(kept, look),
      lead: (kept: KeptNumbers) => losses.lead(kept),
    };
    const images = new EvaluatedImages(network, evaluator, three);
    return { ran, candidate: (kept) => images.candidate(kept) };
  };

  const runAll = async (candidate: Candidate): Promise<void> => {
    for (const look of [0, 1, 2]) await candidate.run(look);
  };

  it('run the images whole whose states are not there', async () => {
    // Only two of three images' tokens fit, and those before one block.
    const width = 3_000_000;
    const kept = { pruneKept: [17, 15, 12, 8], mergeKept: [17, 14, 10, 5] };
    const room = roomFor(effectiveTokens(kept, tokens), 3, tokenNumbers({ ...smallNetwork(), width }));
    expect(room).toEqual({ blocks: new Set([2]), images: 2 });
    const { ran, candidate } = wideNetwork(width);
    const best = candidate(kept);
    await runAll(best);
    best.lead();
    ran.length = 0;
    await runAll(candidate({ ...kept, mergeKept: [17, 14, 9, 5] }));
    expect(ran).toEqual(['block 2', 'block 2', 'embedding', 'block 0', 'block 1', 'block 2']);
  });

  it('count as many passes after a search that was stopped as if it had not been, whatever is in memory', async () => {
    const width = 1_388_000;
    const first = { pruneKept: [17, 14, 10, 5], mergeKept: [17, 14, 10, 5] };
    const second = { pruneKept: [17, 14, 4, 3], mergeKept: [17, 14, 4, 3] };
    const roomOf = (kept: KeptNumbers): ReadonlySet<number> =>
      roomFor(effectiveTokens(kept, tokens), 3, width + 1).blocks;
    expect([roomOf(first), roomOf(second)]).toEqual([new Set([2]), new Set([1, 3])]);
    const passesOf = async (leaders: readonly KeptNumbers[]): Promise<{ passes: number; ran: number }> => {
      const { ran, candidate } = wideNetwork(width);
      for (const kept of leaders) {
        const leading = candidate(kept);
        await runAll(leading);
        leading.lead();
      }
      ran.length = 0;
      const challenger = candidate({ pruneKept: [17, 12, 4, 3], mergeKept: [17, 12, 4, 3] });
      await runAll(challenger);
      return { passes: challenger.passes, ran: ran.length };
    };
    const [unbroken, resumed] = [await passesOf([first, second]), await passesOf([second])];
    expect(unbroken.ran).not.toBe(resumed.ran);
    expect(unbroken.passes).toBe(resumed.passes);
  });

  it('forget the states of schedules that led before the leading one, though somebody still has these', async () => {
    const { ran, candidate } = wideNetwork(64);
    const schedules = [
      { pruneKept: [17, 15, 12, 8], mergeKept: [17, 14, 10, 5] },
      { pruneKept: [17, 17, 12, 8], mergeKept: [17, 16, 11, 5] },
    ] as const;
    for (const kept of schedules) {
      const leading = candidate(kept);
      await runAll(leading);
      leading.lead();
    }
    ran.length = 0;
    await candidate(schedules[1]).run(0);
    expect(ran).toEqual([]);
    await candidate(schedules[0]).run(0);
    expect(ran).toEqual(['block 1', 'block 2']);
  });
});

/** Networks that differ in their tokens and in what is read of them. */
const networks: readonly (readonly [name: string, sizes: SmallSizes])[] = [
  ['its class token', { pool: 'class-token' }],
  ['the mean of its patches', { pool: 'mean' }],
  [
    'the first of three prefix tokens beside an oblong grid',
    {
      inputSize: { height: 24, width: 40 },
      prefixTokens: [
        { name: 'cls_token', count: 1 },
        { name: 'reg_token', count: 2 },
      ],
    },
  ],
  ['the mean of its patches, without a prefix token', { pool: 'mean', prefixTokens: [] }],
];

describe.each(networks)('candidates of a network that reads %s', (_, sizes) => {
  const model: Model = smallModel(sizes);
  const { network } = model;
  const { layout, depth } = network;
  const options = () => evaluatorOptions(model, folder);
  const numbersOf = (pruned: readonly number[], merged: readonly number[]): KeptNumbers =>
    keptNumbers(layout, pruned, merged);
  const anyNumbers = fc.tuple(twoNumbers, twoNumbers).map(([pruned, merged]) => numbersOf(pruned, merged));
  /** The answers of whole networks, by schedule. */
  const known = new Map<string, Float64Array>();
  let evaluator: LocalEvaluator;
  let images: EvaluatedImages;
  let pixels: Float32Array[];

  beforeAll(async () => {
    evaluator = await LocalEvaluator.create(options());
    images = new EvaluatedImages(network, evaluator, await evaluator.calibrate(looks));
    pixels = [];
    const loader = createImageLoader({ source: folder, preprocessing: model.preprocessing, batchSize: 1 });
    for await (const batch of loader) pixels.push(batch.pixels);
    await loader.close();
  });
  afterAll(() => evaluator.dispose());

  const probabilities = async (kept?: KeptNumbers): Promise<number[][]> => {
    const { merging } = options();
    const reducer = kept === undefined ? undefined : diffRate(kept, network, { merging });
    const session = await NetworkSession.load(model, { runtime: nodeRuntime, reducer });
    const rows: number[][] = [];
    for (const image of pixels) {
      const weights = [...(await session.run(image))].map(Math.exp);
      const sum = weights.reduce((a, b) => a + b);
      rows.push(weights.map((weight) => weight / sum));
    }
    await session.dispose();
    return rows;
  };

  /**
   * Losses of the images by whole networks, smallest first: candidates have them in the calibration
   * set's own order.
   */
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
    const { blocks, after, total } = countFlops(network, kept);
    return (lookEvery * blocks.slice(from).reduce((sum, flops) => sum + flops, after)) / total;
  };

  /**
   * Whether this schedule leads: nothing of it but the head has to run again, and that gives the
   * same to the bit.
   */
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
      { numRuns: 7 },
    );
    expect(won).toBeGreaterThan(0);
    expect(lost).toBeGreaterThan(0);
  });

  it('have the losses that a set without a leading schedule gives, to the bit', async () => {
    const [best, other] = [numbersOf([0, 1], [3, 2]), numbersOf([0, 3], [3, 2])];
    await lossesOf(images, best);
    const shared = await lossesOf(images, other);
    const fresh = await LocalEvaluator.create(options());
    const alone = await lossesOf(new EvaluatedImages(network, fresh, await fresh.calibrate(looks)), other);
    await fresh.dispose();
    expect(shared.losses).toEqual(alone.losses);
    expect(alone.passes).toBe(count);
    expect(shared.passes).toBeLessThan(count);
  });

  it('run no block of a look that the leading schedule shares, and count what runs by its FLOPs', async () => {
    const best = numbersOf([0, 1], [3, 2]);
    await lossesOf(images, best);
    const run = vi.spyOn(BlockNetworks.prototype, 'run');
    const embed = vi.spyOn(BlockNetworks.prototype, 'embed');
    for (const [challenger, from, look] of [
      [numbersOf([1, 0], [2, 2]), 1, 0],
      [numbersOf([0, 0], [3, 2]), 2, 1],
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
