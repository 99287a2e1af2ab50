/** Which blocks reduce, on losses that are known for every schedule. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { localSearch, startLocalSearch } from '../../src/search/local-search.ts';
import type { LocalSearchState } from '../../src/search/local-search.ts';
import { fewerBlocks, reducingBlocks } from '../../src/search/reducing-blocks.ts';
import type { FewerBlocks } from '../../src/search/reducing-blocks.ts';
import { deepCost, deepProjection, deepTokens, fitDeep } from './deep-network.ts';
import { KnownImages, knownLosses, meanLoss } from './known-images.ts';

const projection = deepProjection(0.6);
const start = fitDeep(0.6, [50, 44, 30, 28, 14, 1]);
const recipe = { passesPerImage: 24, leastPasses: 0, prunedShares: [0], firstStep: 8, looks: 4, fewAccepted: 0.1 };

async function fewer(
  price: number,
  from = start,
  passes = Infinity,
): Promise<{ found: FewerBlocks; images: KnownImages }> {
  const images = new KnownImages();
  const known = { kept: from, losses: knownLosses(from) };
  return { found: await fewerBlocks(projection, images, known, { price, passes }, () => Promise.resolve()), images };
}

describe('fewerBlocks', () => {
  it('takes blocks out while the loss rises by less than the price of each', async () => {
    const { found, images } = await fewer(0.2);
    const before = reducingBlocks(projection, start);
    expect(before).toEqual([1, 2, 3, 4]);
    expect(found.blocks.length).toBeLessThan(before.length);
    expect(reducingBlocks(projection, found.kept)).toEqual(found.blocks);
    expect(meanLoss(found.kept)).toBeLessThanOrEqual(
      1.2 ** (before.length - found.blocks.length) * meanLoss(start) + 1e-12,
    );
    expect([...found.losses]).toEqual([...knownLosses(found.kept)]);
    expect(images.led).toEqual([found.kept]);
    // A quarter of the images decides; all of them have run in the end.
    expect(images.ran.slice(0, -1).every((looks) => looks.every((look) => look === 0))).toBe(true);
    expect(images.ran.at(-1)).toEqual([0, 1, 2, 3]);
    expect(found.passes).toBeGreaterThan(0);
  });

  it('keeps all of them where each is worth more, and one whatever the price', async () => {
    const { found, images } = await fewer(-0.5);
    expect(found).toMatchObject({ kept: start, blocks: [1, 2, 3, 4] });
    expect(images.led).toEqual([]);
    expect((await fewer(1e9)).found.blocks).toHaveLength(1);
    expect((await fewer(1e9, start, 1)).found.blocks).toHaveLength(2);
  });

  it('goes back where an image that did not decide has a loss that is no number', async () => {
    const images = new KnownImages();
    const candidate = images.candidate.bind(images);
    images.candidate = (kept) => {
      const known = candidate(kept);
      const run = async (look: number): Promise<void> => {
        await known.run(look);
        if (look === 3) known.losses[known.losses.length - 1] = NaN;
      };
      return { ...known, run, lead: known.lead, passes: images.looks.images };
    };
    const known = { kept: start, losses: knownLosses(start) };
    const found = await fewerBlocks(projection, images, known, { price: 0.2, passes: Infinity }, () =>
      Promise.resolve(),
    );
    expect(found).toMatchObject({ ...known, blocks: [1, 2, 3, 4] });
    expect(images.led).toEqual([]);
  });

  it('never costs more than the target', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 2, max: 50 }), { minLength: 4, maxLength: 4 }),
        fc.double({ min: 0, max: 2, noNaN: true }),
        async (numbers, price) => {
          const from = fitDeep(0.6, [deepTokens, ...numbers.toSorted((a, b) => b - a), 1]);
          const { images, found } = await fewer(price, from);
          for (const { mergeKept } of images.compared) {
            expect(deepCost.value({ pruneKept: mergeKept, mergeKept })).toBeLessThanOrEqual(projection.target);
          }
          expect(found.blocks.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('a local search in some blocks', () => {
  const context = { ...projection, recipe, passes: 3000, seed: 5 };

  async function searched(from: LocalSearchState, stopAfter = Infinity): Promise<LocalSearchState[]> {
    const states: LocalSearchState[] = [];
    await localSearch(context, new KnownImages(), from, ({ state }) => {
      states.push(structuredClone(state));
      return states.length === stopAfter ? Promise.reject(new RangeError('stopped')) : Promise.resolve();
    }).catch((error: unknown) => {
      if (!(error instanceof RangeError)) throw error;
    });
    return states;
  }

  it('moves numbers and whole blocks, and reduces in no others', async () => {
    const begin = startLocalSearch(context, start, 0, [3, 4]);
    const images = new KnownImages();
    const { kept, state } = await localSearch(context, images, begin, () => Promise.resolve());
    for (const compared of images.compared) {
      expect(reducingBlocks(projection, compared).length).toBeLessThanOrEqual(2);
    }
    expect(state.blocks).toHaveLength(2);
    expect(state.blocks).not.toEqual([3, 4]);
    expect(reducingBlocks(projection, kept)).toEqual(state.blocks);
    expect(meanLoss(kept)).toBeLessThan(meanLoss(images.compared[0] ?? start));
  });

  it('continues after a stop as if there had been none', async () => {
    const begin = startLocalSearch(context, start, 0, [2, 4]);
    const whole = await searched(begin);
    const moved = whole.findIndex(({ blocks }) => String(blocks) !== '2,4');
    expect(moved).toBeGreaterThan(-1);
    const stopped = await searched(begin, moved + 2);
    const continued = await searched(stopped.at(-1) as LocalSearchState);
    expect(continued.at(-1)).toEqual(whole.at(-1));
  });

  it('refuses a state whose blocks are not searched, or not in order', async () => {
    for (const blocks of [
      [0, 4],
      [4, 1],
      [1, 1],
    ]) {
      const begin = { ...startLocalSearch(context, start, 0, [1, 4]), blocks };
      await expect(localSearch(context, new KnownImages(), begin, () => Promise.resolve())).rejects.toThrow(
        "The search's checkpoint is damaged",
      );
    }
  });
});
