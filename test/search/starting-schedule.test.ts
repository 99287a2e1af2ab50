/** The line search between the uniform rate and the learnt schedule, on losses that are known. */
import { describe, expect, it } from 'vitest';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { numbersOf, project } from '../../src/search/projection.ts';
import type { Projection } from '../../src/search/projection.ts';
import { startingSchedule } from '../../src/search/starting-schedule.ts';
import { deepCost, deepFixed, deepNetwork } from './deep-network.ts';
import { KnownImages, meanLoss } from './known-images.ts';

const projection: Projection = {
  network: deepNetwork(false),
  fixed: deepFixed(),
  cost: deepCost,
  target: 0.6 * deepCost.baseline,
};

const fit = (mergeKept: readonly number[]): KeptNumbers =>
  project(projection, numbersOf(projection, { pruneKept: [50, ...mergeKept.slice(0, -1)], mergeKept }));

const good = fit([50, 32, 26, 22, 14, 1]);
const bad = fit([50, 50, 48, 4, 3, 1]);
const lookEvery = 10;

const start = async (
  learnt: KeptNumbers,
  uniform: KeptNumbers,
): Promise<{ kept: KeptNumbers; images: KnownImages; passes: number }> => {
  const images = new KnownImages();
  return { ...(await startingSchedule(projection, images, learnt, uniform, lookEvery)), images };
};

describe('startingSchedule', () => {
  it('keeps what was learnt where that is best, at the price of a look per other schedule', async () => {
    expect(meanLoss(good)).toBeLessThan(meanLoss(bad));
    const { kept, images, passes } = await start(good, bad);
    expect(kept).toEqual(good);
    expect(passes).toBe(images.size + 4 * lookEvery);
    expect(images.open).toBe(0);
  });

  it('goes back towards the uniform rate where gradients led astray', async () => {
    const { kept, passes, images } = await start(bad, good);
    expect(meanLoss(kept)).toBeLessThanOrEqual(meanLoss(good));
    expect(passes).toBeGreaterThan(2 * images.size);
    for (const compared of images.compared) expect(deepCost.value(compared)).toBeLessThanOrEqual(projection.target);
  });

  it('finds a schedule between the two that is better than both', async () => {
    const [early, late] = [fit([50, 50, 10, 9, 9, 1]), fit([50, 30, 28, 28, 6, 1])];
    const { kept } = await start(late, early);
    expect(meanLoss(kept)).toBeLessThan(Math.min(meanLoss(early), meanLoss(late)));
  });
});
