/** The budgets of a front, and how its work is divided. */
import * as fc from 'fast-check';
import { nodeRuntime } from '../../../src/runtime/node/runtime.ts';
import { describe, expect, it } from 'vitest';
import { flopsCost } from '../../../src/cost/flops-cost.ts';
import type { ImageSource } from '../../../src/data/image-source.ts';
import { DiffrateError, UsageError } from '../../../src/errors.ts';
import { searchSpace } from '../../../src/reduction/search-space.ts';
import type { FrontOptions, FrontRange } from '../../../src/search/front/front-options.ts';
import { frontPlanOf, frontRatios } from '../../../src/search/front/front-plan.ts';
import type { FrontBudget, FrontTurn } from '../../../src/search/front/front-plan.ts';
import { smallNetwork } from '../../evaluation/small-network.ts';
import { stepCost } from '../step-cost.ts';

/** Thousandths, so that ranges are exact. */
const ranges = fc
  .record({ high: fc.integer({ min: 2, max: 999 }), low: fc.integer({ min: 1, max: 998 }), share: fc.nat(1000) })
  .filter(({ high, low }) => high > low)
  .map(({ high, low, share }): FrontRange => {
    const points = 2 + Math.floor(((high - low - 1) * share) / 1000);
    return { from: high / 1000, to: low / 1000, points };
  });

const folder: ImageSource = {
  name: 'images',
  images: [{ file: 'a.png' }],
  labelled: false,
} as unknown as ImageSource;

const optionsFor = (front: FrontRange, changes: Partial<FrontOptions> = {}): FrontOptions => ({
  model: smallNetwork(),
  images: folder,
  front,
  preset: 'small-data',
  seed: 0,
  runtime: nodeRuntime,
  resume: false,
  ...changes,
});

const { network } = smallNetwork();
const { baseline, reachable } = flopsCost(network);
/** Without the last block, whose patches are not read. */
const range = reachable(searchSpace(network));
const lowest = Math.ceil((1000 * range.min) / baseline) / 1000;
const highest = Math.floor((1000 * range.max) / baseline) / 1000;

describe('frontRatios', () => {
  it('falls from the first to the last in even steps of whole thousandths', () => {
    fc.assert(
      fc.property(ranges, (front) => {
        const ratios = frontRatios(front);
        expect(ratios).toHaveLength(front.points);
        expect([ratios[0], ratios.at(-1)]).toEqual([front.from, front.to]);
        const even = (front.from - front.to) / (front.points - 1);
        ratios.forEach((ratio, index) => {
          expect(Number(ratio.toFixed(3))).toBe(ratio);
          if (index === 0) return;
          const gap = (ratios[index - 1] as number) - ratio;
          expect(gap).toBeGreaterThan(0);
          expect(Math.abs(gap - even)).toBeLessThanOrEqual(0.001 + 1e-9);
        });
      }),
    );
  });

  it('gives the budgets of the documentation', () => {
    const ratios = [0.9, 0.843, 0.786, 0.729, 0.671, 0.614, 0.557, 0.5];
    expect(frontRatios({ from: 0.9, to: 0.5, points: 8 })).toEqual(ratios);
  });

  it.each([
    [{ from: 0.5, to: 0.9, points: 8 }, /not 0\.5 before 0\.9; turn them round\.$/],
    [{ from: 0.5, to: 0.5, points: 2 }, /budgets fall/],
    [{ from: 1, to: 0.5, points: 8 }, /below 1 and above 0, not 1 and 0\.5\.$/],
    [{ from: 0.9, to: 0, points: 8 }, /above 0/],
    [{ from: NaN, to: 0.5, points: 8 }, /below 1/],
    [{ from: 0.9, to: 0.5, points: 1 }, /from 2, not 1\.$/],
    [{ from: 0.9, to: 0.5, points: 2.5 }, /whole number/],
    [{ from: 0.51, to: 0.5, points: 12 }, /at most 11, not 12\.$/],
  ])('refuses %j with a sentence', (front, sentence) => {
    expect(() => frontRatios(front)).toThrow(UsageError);
    expect(() => frontRatios(front)).toThrow(sentence);
  });
});

describe('frontPlanOf', () => {
  it('begins in the middle and has every budget once, and divides all image passes', () => {
    fc.assert(
      fc.property(ranges, ({ from, to, points }) => {
        const first = Math.min(Math.max(from, lowest + 0.004), highest - 0.001);
        const last = Math.min(Math.max(to, lowest), Math.round(1000 * first - 4) / 1000);
        const front = { from: first, to: last, points: Math.min(points, 4) };
        const { budgets, turns, steps, search, front: recipe } = frontPlanOf(optionsFor(front));
        budgets.forEach(({ ratio, target }) => expect(target).toBeCloseTo(ratio * baseline, 8));
        expect(turns.map(({ budget }) => budget.ratio).sort((a, b) => b - a)).toEqual(
          budgets.map(({ ratio }) => ratio),
        );
        expect(turns.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12);
        const begin = turns[0] as FrontTurn;
        expect(begin.budget).toBe(budgets[Math.floor((budgets.length - 1) / 2)]);
        turns.forEach(({ budget, nearest, share, dearer: above, steps: own }, index) => {
          expect(above).toBe(budget.ratio > begin.budget.ratio);
          const { first: of, dearer, cheaper } = recipe.weights;
          const weight = index === 0 ? of : budget.ratio > begin.budget.ratio ? dearer : cheaper;
          expect(begin.share * weight).toBeCloseTo(share * of, 12);
          if (own > 0) expect(nearest).toBeUndefined();
          else {
            expect(turns.slice(0, index).map((turn) => turn.budget)).toContain(nearest);
            expect(Math.abs(budgets.indexOf(budget) - budgets.indexOf(nearest as FrontBudget))).toBe(1);
          }
        });
        expect(turns.filter(({ steps: own }) => own > 0).map(({ budget }) => budget)).toEqual([
          begin.budget,
          budgets.at(-1),
        ]);
        expect([begin.steps, steps]).toEqual([search.steps, Math.round(search.steps * (1 + recipe.stepShare))]);
      }),
      { numRuns: 60 },
    );
  });

  it('knows what was searched before on both sides of a budget', () => {
    const { turns } = frontPlanOf(optionsFor({ from: 0.86, to: 0.66, points: 6 }));
    const ratios = turns.map((turn) => [turn.budget, turn.nearest, turn.beyond, turn.across].map((of) => of?.ratio));
    expect(ratios).toEqual([
      [0.78, undefined, undefined, undefined],
      [0.82, 0.78, undefined, undefined],
      [0.86, 0.82, 0.78, undefined],
      [0.66, undefined, undefined, undefined],
      [0.74, 0.78, 0.82, 0.66],
      [0.7, 0.74, 0.78, 0.66],
    ]);
  });

  it('says which ratios are in reach', () => {
    const refused = (): unknown => frontPlanOf(optionsFor({ from: 0.85, to: 0.01, points: 2 }));
    expect(refused).toThrow(DiffrateError);
    expect(refused).toThrow(/^The front's budget 0\.01 \(\S+ GFLOPs\) is out of reach for small; choose ratios from/);
    expect(refused).toThrow(`choose ratios from ${lowest.toFixed(3)} to below ${highest.toFixed(3)}.`);
    expect(() => frontPlanOf(optionsFor({ from: 0.85, to: lowest, points: 4 }))).not.toThrow();
  });

  it('refuses a budget that cannot be spent, as the last block keeps the class token alone', () => {
    expect(highest).toBeLessThan(0.95);
    const refused = (): unknown => frontPlanOf(optionsFor({ from: 0.97, to: 0.6, points: 4 }));
    expect(refused).toThrow(DiffrateError);
    expect(refused).toThrow(/budget 0\.97 .* is out of reach/);
    expect(refused).toThrow(`to below ${highest.toFixed(3)}.`);
    expect(() => frontPlanOf(optionsFor({ from: highest - 0.001, to: 0.6, points: 4 }))).not.toThrow();
  });

  it('says in which unit a budget of another cost is out of reach', () => {
    const cost = stepCost(searchSpace(network), 4);
    const refused = (): unknown => frontPlanOf(optionsFor({ from: 0.85, to: 0.01, points: 2 }, { cost }));
    expect(refused).toThrow(/budget 0\.01 \(\S+ beats\) is out of reach/);
    const { budgets } = frontPlanOf(optionsFor({ from: 0.8, to: 0.7, points: 2 }, { cost }));
    budgets.forEach(({ ratio, target }) => expect(target).toBeCloseTo(ratio * cost.baseline, 5));
  });

  it('refuses a preset that does not keep a budget', () => {
    const refused = (): unknown => frontPlanOf(optionsFor({ from: 0.85, to: 0.5, points: 4 }, { preset: 'paper' }));
    expect(refused).toThrow(UsageError);
    expect(refused).toThrow(/The preset paper searches one schedule at a time/);
  });
});
