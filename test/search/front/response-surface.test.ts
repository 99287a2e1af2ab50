/** Steps along smooth directions, on losses that are known. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeptNumbers } from '../../../src/reduction/schedule.ts';
import { numbersOf, project } from '../../../src/search/projection.ts';
import { lossesOf, meanOf } from '../../../src/search/race/race.ts';
import { lowest, surfaceStep } from '../../../src/search/front/response-surface.ts';
import { deepCost, deepFixed, deepProjection, deepTokens } from '../deep-network.ts';
import { KnownImages, meanLoss } from '../known-images.ts';

const projection = deepProjection(0.6);
const recipe = { directions: 3, reach: 0.1, images: 20 };
const lopsided = project(projection, { merged: [40, 38, 16, 14], pruned: [0, 0, 0, 0] });

async function stepFrom(kept: KeptNumbers, look = 1) {
  const images = new KnownImages();
  const { losses } = await lossesOf(images, kept);
  let measured = 0;
  const step = await surfaceStep(projection, images, { known: { kept, losses }, look, recipe }, () => {
    measured++;
    return Promise.resolve();
  });
  return { ...step, images, measured, before: meanOf(losses) };
}

describe('lowest', () => {
  it('is the lowest place of a parabola, or the end that is nearer to it', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 3, noNaN: true }),
        fc.double({ min: -3, max: 3, noNaN: true }),
        (curvature, place) => {
          const loss = (at: number): number => curvature * ((at - place) ** 2 - place ** 2);
          expect(lowest(loss(1), loss(-1))).toBeCloseTo(Math.max(-1, Math.min(1, place)), 6);
        },
      ),
    );
  });

  it('goes to the better end of what bends the other way, and nowhere on what is level', () => {
    expect(lowest(-0.3, 0.1)).toBe(1);
    expect(lowest(0.1, -0.3)).toBe(-1);
    expect(lowest(0, 0)).toBe(0);
  });
});

describe('surfaceStep', () => {
  it('finds a schedule of the same cost that is better on all images', async () => {
    const { kept, losses, images, before } = await stepFrom(lopsided);
    expect(meanOf(losses)).toBeLessThan(0.97 * before);
    expect(meanLoss(kept)).toBeLessThan(0.97 * meanLoss(lopsided));
    expect(images.led.at(-1)).toEqual(kept);
    for (const one of images.compared) expect(deepCost.value(one)).toBeLessThanOrEqual(projection.target);
  });

  it('measures every direction up and down on the wanted images, and races on others first', async () => {
    const { images, passes, measured } = await stepFrom(lopsided, 3);
    expect(measured).toBe(recipe.directions);
    const [, ...ran] = images.ran;
    expect(ran.slice(0, 2 * recipe.directions)).toEqual(Array.from({ length: 2 * recipe.directions }, () => [3, 0]));
    expect(ran.slice(2 * recipe.directions).map(([first]) => first)).toContain(1);
    expect(passes).toBe(ran.reduce((sum, looks) => sum + looks.length * images.looks.perLook, 0));
    const middle = numbersOf(projection, lopsided).merged;
    const [up, down] = images.compared.slice(1, 3).map((one) => numbersOf(projection, one).merged) as [
      number[],
      number[],
    ];
    // The first cosine falls over depth: more tokens early and fewer late, and the other way round.
    expect(up[0]).toBeGreaterThan(middle[0] as number);
    expect(up[3]).toBeLessThan(middle[3] as number);
    expect(down[0]).toBeLessThan(middle[0] as number);
    expect(down[3]).toBeGreaterThanOrEqual(middle[3] as number);
  });

  it('leaves blocks alone that remove nothing before the first that does', async () => {
    const { images } = await stepFrom(project(projection, { merged: [50, 40, 12, 8], pruned: [0, 0, 0, 0] }));
    expect(images.compared.length).toBeGreaterThan(4);
    for (const one of images.compared) expect(one.mergeKept.slice(0, 2)).toEqual([deepTokens, deepTokens]);
  });

  it('keeps the schedule where no step is better', async () => {
    let { kept, losses } = await stepFrom(lopsided);
    for (let steps = 0; steps < 40; steps++) {
      const next = await stepFrom(kept);
      expect(meanOf(next.losses)).toBeLessThanOrEqual(meanOf(losses));
      ({ kept, losses } = next);
    }
    const last = await stepFrom(kept);
    expect(last.kept).toEqual(kept);
    expect(last.losses).toEqual(losses);
    expect(last.images.led).toEqual([kept]);
  });

  it('does nothing to a schedule that removes nothing', async () => {
    const whole: KeptNumbers = { pruneKept: deepFixed().pruneKept, mergeKept: deepFixed().mergeKept };
    const { kept, passes, images } = await stepFrom(whole);
    expect(kept).toBe(whole);
    expect(passes).toBe(0);
    expect(images.compared).toEqual([whole]);
  });
});
