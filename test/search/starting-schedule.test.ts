/** The line search between the uniform rate and the learnt schedule, on losses that are known. */
import { describe, expect, it } from 'vitest';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { numbersOf, project, stretch } from '../../src/search/projection.ts';
import { startingSchedule } from '../../src/search/starting-schedule.ts';
import { deepCost, deepProjection } from './deep-network.ts';
import { KnownImages, meanLoss } from './known-images.ts';

const projection = deepProjection(0.6);

const fit = (mergeKept: readonly number[]): KeptNumbers =>
  project(projection, numbersOf(projection, { pruneKept: [50, ...mergeKept.slice(0, -1)], mergeKept }));

const good = fit([50, 32, 26, 22, 14, 1]);
const bad = fit([50, 50, 48, 4, 3, 1]);

const start = async (
  learnt: KeptNumbers,
  uniform: KeptNumbers,
): Promise<{ kept: KeptNumbers; images: KnownImages; passes: number }> => {
  const images = new KnownImages();
  return {
    ...(await startingSchedule(projection, images, { learnt, uniform }, { prunedShares: [0.5, 0] })),
    images,
  };
};

describe('startingSchedule', () => {
  it('keeps what was learnt where that is best, at the price of a look per other schedule', async () => {
    expect(meanLoss(good)).toBeLessThan(meanLoss(bad));
    const { kept, images, passes } = await start(good, bad);
    expect(kept).toEqual(good);
    expect(passes).toBe(images.looks.images + 4 * images.looks.perLook);
  });

  it('goes back towards the uniform rate where gradients led astray', async () => {
    const { kept, passes, images } = await start(bad, good);
    expect(meanLoss(kept)).toBeLessThanOrEqual(meanLoss(good));
    expect(passes).toBeGreaterThan(2 * images.looks.images);
    for (const compared of images.compared) expect(deepCost.value(compared)).toBeLessThanOrEqual(projection.target);
  });

  it('merges at the same cost what was pruned, where that is better', async () => {
    const pruning: KeptNumbers = { ...good, pruneKept: good.mergeKept };
    const { kept, images } = await start(pruning, bad);
    const pruned = images.compared.map((compared) =>
      numbersOf(projection, compared).pruned.reduce((sum, count) => sum + count),
    );
    expect(kept.mergeKept).toEqual(good.mergeKept);
    expect(meanLoss(kept)).toBeLessThan(meanLoss(pruning));
    expect(Math.abs((pruned.at(-2) as number) - (pruned[0] as number) / 2)).toBeLessThan(3);
    expect(pruned.at(-1)).toBe(0);
  });

  it('finds a schedule between the two that is better than both', async () => {
    const [early, late] = [fit([50, 50, 10, 9, 9, 1]), fit([50, 30, 28, 28, 6, 1])];
    const { kept } = await start(late, early);
    expect(meanLoss(kept)).toBeLessThan(Math.min(meanLoss(early), meanLoss(late)));
  });
});

describe('stretch', () => {
  it('brings a schedule to another budget in proportion to what each block removes', () => {
    const former = stretch({ ...projection, target: 0.8 * deepCost.baseline }, numbersOf(projection, good));
    const back = stretch(projection, numbersOf(projection, former));
    const removed = (kept: KeptNumbers): number[] => numbersOf(projection, kept).merged.map((value) => 50 - value);
    for (const [wanted, schedule] of [[0.8, former] as const, [0.6, back] as const]) {
      const cost = deepCost.value(schedule);
      expect(cost).toBeLessThanOrEqual(wanted * deepCost.baseline);
      expect(cost).toBeGreaterThan(0.99 * wanted * deepCost.baseline);
    }
    const [all, half] = [removed(good), removed(former)];
    const factor = half.reduce((a, b) => a + b) / all.reduce((a, b) => a + b);
    half.forEach((value, index) => expect(Math.abs(value - factor * (all[index] ?? 0))).toBeLessThanOrEqual(2));
    removed(back).forEach((value, index) => expect(Math.abs(value - (all[index] ?? 0))).toBeLessThanOrEqual(3));
  });
});
