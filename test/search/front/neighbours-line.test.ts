/** Schedules beside the line between their neighbours, on images whose losses are known. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../../src/errors.ts';
import type { KeptNumbers } from '../../../src/reduction/schedule.ts';
import type { FoundPoint } from '../../../src/search/front/front-checkpoint.ts';
import type { FrontCourse } from '../../../src/search/front/front-course.ts';
import type { FrontBudget, FrontTurn } from '../../../src/search/front/front-plan.ts';
import { compareWithLines, orBetween, turnsBetween } from '../../../src/search/front/neighbours-line.ts';
import { numbersOf, project, stretch } from '../../../src/search/projection.ts';
import { meanOf } from '../../../src/search/race/race.ts';
import { reducingBlocks } from '../../../src/search/reducing-blocks.ts';
import { withPruned } from '../../../src/search/starting-schedule.ts';
import { deepCost, deepProjection as at, deepSpace, fitDeep as fit } from '../deep-network.ts';
import { KnownImages, knownLosses, meanLoss } from '../known-images.ts';

const projection = at(0.6);

const good = fit(0.6, [50, 32, 26, 22, 14, 1]);
const bad = fit(0.6, [50, 50, 48, 4, 3, 1]);
const goodAt = (ratio: number): KeptNumbers => stretch(at(ratio), numbersOf(at(ratio), good));
const lossOn = (kept: KeptNumbers): number => meanOf(knownLosses(kept));
const lossOf = (point: FoundPoint | undefined): number => meanOf(point?.losses ?? []);
const known = (kept: KeptNumbers) => ({ kept, losses: knownLosses(kept) });

describe('orBetween', () => {
  const between = async (kept: KeptNumbers, price = 0) => {
    const images = new KnownImages();
    const neighbours = { dearer: goodAt(0.7), cheaper: goodAt(0.5), look: 2, price };
    const result = await orBetween(projection, images, { known: known(kept), ...neighbours });
    return { ...result, images, line: images.compared.at(-1) as KeptNumbers };
  };

  it('takes the line between the neighbours where it is better, after all images', async () => {
    const { kept, losses, passes, images, line } = await between(bad);
    expect(kept).toEqual(line);
    expect(meanLoss(kept)).toBeLessThan(meanLoss(bad));
    expect(losses).toEqual(knownLosses(line));
    expect(passes).toBe(images.looks.images);
    expect(images.ran).toEqual([images.looks.from(2)]);
    expect(deepCost.value(line)).toBeLessThanOrEqual(projection.target);
    numbersOf(projection, line).merged.forEach((value, index) =>
      expect(Math.abs(value - (numbersOf(projection, good).merged[index] as number))).toBeLessThanOrEqual(2),
    );
  });

  it('keeps what was found where that is better, which one look tells', async () => {
    const best = withPruned(projection, good, 0);
    const found = project(projection, { ...numbersOf(projection, best), pruned: [2, 2, 2, 2] });
    const { kept, losses, passes, images, line } = await between(found);
    expect(meanLoss(found)).toBeLessThan(meanLoss(line));
    expect(kept).toEqual(found);
    expect(losses).toEqual(knownLosses(found));
    expect(images.ran).toEqual([[2]]);
    expect(passes).toBe(images.looks.perLook);
  });

  it('takes a line that reduces in more blocks only where it is ahead by their price', async () => {
    const found = fit(0.6, [50, 50, 48, 4, 4, 1]);
    const { line, kept } = await between(found);
    const more = reducingBlocks(projection, line).length - reducingBlocks(projection, found).length;
    expect(more).toBeGreaterThan(0);
    expect(kept).toEqual(line);
    const worth = (meanLoss(found) / meanLoss(line)) ** (1 / more) - 1;
    expect((await between(found, worth * 0.99)).kept).toEqual(line);
    expect(await between(found, worth * 1.01)).toMatchObject({ kept: found, losses: knownLosses(found) });
  });

  it('prunes nothing where what was found prunes nothing', async () => {
    const pruning = (ratio: number): KeptNumbers =>
      project(at(ratio), { ...numbersOf(at(ratio), good), pruned: [0, 4, 4, 0] });
    const neighbours = { dearer: pruning(0.7), cheaper: pruning(0.5), look: 0, price: 0 };
    const images = new KnownImages();
    const prunedByLine = async (kept: KeptNumbers): Promise<readonly number[]> => {
      await orBetween(projection, images, { known: known(kept), ...neighbours });
      return numbersOf(projection, images.compared.at(-1) as KeptNumbers).pruned;
    };
    expect(await prunedByLine(withPruned(projection, bad, 0))).toEqual([0, 0, 0, 0]);
    const prunes = project(projection, { ...numbersOf(projection, bad), pruned: [0, 0, 1, 0] });
    expect(await prunedByLine(prunes)).toContain(4);
  });
});

/** A front of which every budget is done, the middle first as in a search. */
function courseOf(ratios: readonly number[], schedules: readonly KeptNumbers[]) {
  const budgets = ratios.map((ratio): FrontBudget => ({ ratio, target: ratio * deepCost.baseline }));
  const middle = Math.floor((ratios.length - 1) / 2);
  const positions = budgets.map((_, index) => index);
  const order = [middle, ...positions.filter((index) => index < middle).reverse()];
  order.push(...positions.filter((index) => index > middle).reverse());
  const turns = order.map((index) => ({ budget: budgets[index], dearer: index < middle }) as unknown as FrontTurn);
  const found = order.map((index): FoundPoint => {
    const kept = schedules[index] as KeptNumbers;
    const localSearch = { passes: 100 } as FoundPoint['localSearch'];
    return { ratio: ratios[index] as number, kept, losses: [...knownLosses(kept)], localSearch };
  });
  const search = { space: deepSpace(false), cost: deepCost };
  const plan = { budgets, turns, search, steps: 9, refinement: {} };
  const course = { options: { blockOverhead: 0 }, plan, found, settle: async () => {} };
  return course as unknown as FrontCourse & { settle: FrontCourse['settle'] };
}

describe('turnsBetween', () => {
  it('is the middle and what is cheaper, but the cheapest', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 12 }), (points) => {
        const ratios = Array.from({ length: points }, (_, index) => 0.9 - index / 30);
        const { plan } = courseOf(ratios, ratios.map(goodAt));
        const between = turnsBetween(plan);
        const middle = Math.floor((points - 1) / 2);
        const expected = ratios.slice(points === 2 ? 2 : middle, -1);
        expect(between.map(({ turn }) => turn.budget.ratio).sort((a, b) => b - a)).toEqual(expected);
        for (const { turn, dearer, cheaper } of between) {
          const position = ratios.indexOf(turn.budget.ratio);
          expect([dearer.ratio, cheaper.ratio]).toEqual([ratios[position - 1], ratios[position + 1]]);
        }
      }),
    );
  });
});

describe('compareWithLines', () => {
  const ratios = [0.8, 0.7, 0.6, 0.5, 0.4];
  const badAt = (ratio: number): KeptNumbers => stretch(at(ratio), numbersOf(at(ratio), bad));

  it('replaces what is worse than the line between its neighbours, and counts every pass', async () => {
    const schedules = [0.8, 0.7].map(goodAt).concat([bad], [0.5, 0.4].map(goodAt));
    const course = courseOf(ratios, schedules);
    const images = new KnownImages();
    const reported: number[] = [];
    await compareWithLines(course, images, ({ budget }, done) => reported.push(budget.ratio, done));
    const points = ratios.map((ratio) => course.found.find((point) => point.ratio === ratio) as FoundPoint);
    expect(course.found.map(({ ratio }) => ratio)).toEqual([0.6, 0.7, 0.8, 0.4, 0.5]);
    points.forEach(({ kept, losses }) => expect(losses).toEqual([...knownLosses(kept)]));
    expect(lossOf(points[2])).toBeLessThan(lossOn(bad));
    // The dearer ones and the cheapest are as they were.
    for (const index of [0, 1, 4]) expect(points[index]?.kept).toEqual(schedules[index]);
    points.forEach((point, index) =>
      expect(lossOf(point)).toBeLessThanOrEqual(lossOn(schedules[index] as KeptNumbers)),
    );
    const one = images.looks.images;
    expect(reported).toEqual([0.6, 500 + one, 0.5, 500 + 2 * one]);
    // Not the same images decide about every budget.
    expect(images.ran.map(([first]) => first)).toEqual([0, 1]);
    // The second line begins at what has replaced the first one's schedule.
    const [, second] = images.compared as [KeptNumbers, KeptNumbers];
    const halfway = (ratio: number) => numbersOf(at(ratio), points[ratios.indexOf(ratio)]?.kept as KeptNumbers).merged;
    numbersOf(at(0.5), second).merged.forEach((value, index) =>
      expect(Math.abs(value - ((halfway(0.6)[index] ?? 0) + (halfway(0.4)[index] ?? 0)) / 2)).toBeLessThanOrEqual(2),
    );
  });

  it('leaves everything as it was found where it is stopped', async () => {
    const course = courseOf(ratios, ratios.map(badAt));
    const before = [...course.found];
    course.settle = async (_state, doing) => {
      throw new DiffrateError(doing);
    };
    const stopped = compareWithLines(course, new KnownImages(), () => {});
    await expect(stopped).rejects.toThrow('after budget 0.6 was compared with its neighbours');
    expect(course.found).toEqual(before);
  });
});
