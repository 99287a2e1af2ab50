/** Predictions from neighbouring budgets, on losses that are known. */
import { describe, expect, it } from 'vitest';
import type { KeptNumbers } from '../../../src/reduction/schedule.ts';
import { continuedSchedule } from '../../../src/search/front/continued-schedule.ts';
import type { Neighbours } from '../../../src/search/front/continued-schedule.ts';
import { numbersOf, project, stretch } from '../../../src/search/projection.ts';
import { deepCost, deepProjection as at, fitDeep as fit } from '../deep-network.ts';
import { KnownImages, meanLoss } from '../known-images.ts';

const projection = at(0.6);
const look = 2;

const good = fit(0.6, [50, 32, 26, 22, 14, 1]);
const bad = fit(0.6, [50, 50, 48, 4, 3, 1]);
const nearest = stretch(at(0.7), numbersOf(at(0.7), good));

async function continued(neighbours: Neighbours) {
  const images = new KnownImages();
  const start = await continuedSchedule(projection, images, neighbours, look);
  return { ...start, images };
}

describe('continuedSchedule', () => {
  it('brings the nearest schedule to the budget in two ways, and towards the uniform rate', async () => {
    for (const uniform of [good, bad]) {
      const { kept, losses, passes, images } = await continued({ nearest, uniform });
      const [stretched, shifted, ...towards] = images.compared;
      expect(stretched).toEqual(stretch(projection, numbersOf(projection, nearest)));
      expect(shifted).toEqual(project(projection, numbersOf(projection, nearest)));
      expect(towards).toHaveLength(2);
      for (const one of images.compared) {
        expect(deepCost.value(one)).toBeLessThanOrEqual(projection.target);
        expect(meanLoss(kept)).toBeLessThanOrEqual(meanLoss(one));
      }
      expect(losses.every((loss) => loss > 0)).toBe(true);
      // One look of each, and the rest of the images of one.
      const { perLook, images: all } = images.looks;
      expect(passes).toBe(images.compared.length * perLook + all - perLook);
      expect(images.ran.map(([first]) => first)).toEqual(images.compared.map(() => look));
      expect(images.led).toEqual([kept]);
    }
  });

  it('follows the line through two budgets, in either direction', async () => {
    for (const [near, far] of [
      [0.7, 0.8],
      [0.5, 0.4],
    ] as const) {
      const on = (ratio: number): KeptNumbers => {
        const removed = 3 + 40 * (0.9 - ratio);
        return fit(ratio, [50, 50 - removed, 50 - removed, 50 - 2 * removed, 50 - 2 * removed, 1]);
      };
      const { images } = await continued({ nearest: on(near), beyond: on(far), uniform: bad });
      const predicted = numbersOf(projection, images.compared.at(-1) as KeptNumbers);
      const expected = numbersOf(projection, on(0.6));
      predicted.merged.forEach((value, index) =>
        expect(Math.abs(value - (expected.merged[index] as number))).toBeLessThanOrEqual(2),
      );
      expect(deepCost.value(images.compared.at(-1) as KeptNumbers)).toBeLessThanOrEqual(projection.target);
    }
  });

  it('follows the line to the other side, and comes from there, too', async () => {
    const on = (ratio: number): KeptNumbers => {
      const removed = 3 + 40 * (0.9 - ratio);
      return fit(ratio, [50, 50 - removed, 50 - removed, 50 - 2 * removed, 50 - 2 * removed, 1]);
    };
    const across = on(0.4);
    const { images } = await continued({ nearest: on(0.7), across, uniform: bad });
    const [line, shifted] = images.compared.slice(4) as [KeptNumbers, KeptNumbers];
    expect(images.compared.length).toBeGreaterThanOrEqual(6);
    expect(shifted).toEqual(project(projection, numbersOf(projection, across)));
    const expected = numbersOf(projection, on(0.6));
    numbersOf(projection, line).merged.forEach((value, index) =>
      expect(Math.abs(value - (expected.merged[index] as number))).toBeLessThanOrEqual(2),
    );
    for (const one of [line, shifted]) expect(deepCost.value(one)).toBeLessThanOrEqual(projection.target);
  });

  it('removes no less than nothing where the line would', async () => {
    const pruning = (ratio: number, count: number): KeptNumbers =>
      project(at(ratio), { merged: [40, 30, 28, 20, 10], pruned: [count, 0, 0, 0, 0] });
    const { images } = await continued({ nearest: pruning(0.7, 1), beyond: pruning(0.8, 8), uniform: good });
    for (const { pruneKept, mergeKept } of images.compared)
      pruneKept.slice(1).forEach((kept, block) => expect(kept).toBeLessThanOrEqual(mergeKept[block] as number));
  });

  it('prunes nothing where the nearest schedule prunes nothing', async () => {
    const pruning = project(projection, { ...numbersOf(projection, bad), pruned: [0, 0, 20, 1, 0] });
    expect(numbersOf(projection, pruning).pruned).toContain(20);
    const { images } = await continued({ nearest, uniform: pruning });
    for (const one of images.compared)
      expect(numbersOf(projection, one).pruned).toEqual(projection.space.searched.map(() => 0));
  });

  it('prunes as the other side does, or a part of that, where that is better', async () => {
    const other = numbersOf(at(0.4), fit(0.4, [50, 32, 26, 22, 14, 1]));
    for (const [count, expected] of [
      [6, 2],
      [3, 2],
      [0, 0],
    ] as const) {
      const across = project(at(0.4), { ...other, pruned: other.merged.map((_, index) => (index < 2 ? count : 0)) });
      const { kept, losses, passes, images } = await continued({ nearest, across, uniform: good });
      const most = Math.max(...numbersOf(projection, kept).pruned);
      expect(most).toBe(expected);
      expect(images.led.at(-1)).toEqual(kept);
      expect(meanLoss(kept)).toBe(Math.min(...images.led.map(meanLoss)));
      expect(losses[0]).toBeCloseTo(meanLoss(kept), 12);
      expect(passes).toBe(images.ran.reduce((sum, looks) => sum + looks.length * images.looks.perLook, 0));
    }
  });
});
