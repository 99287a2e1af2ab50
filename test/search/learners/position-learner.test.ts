/**
 * The default learner: the budget is kept whatever the gradients say, and gradients decide where it
 * is spent.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../../src/data/random.ts';
import { DiffrateError } from '../../../src/errors.ts';
import { effectiveTokens } from '../../../src/reduction/schedule.ts';
import type { KeptNumbers } from '../../../src/reduction/schedule.ts';
import type { LearnerState } from '../../../src/search/learners/learner.ts';
import { PositionLearner } from '../../../src/search/learners/position-learner.ts';
import { presets } from '../../../src/search/presets.ts';
import type { PositionRecipe } from '../../../src/search/presets.ts';
import { deepCost, deepFixed, deepSpace, deepTokens, fakeStep } from '../deep-network.ts';

const space = deepSpace(false);
const recipe: PositionRecipe = { ...(presets['small-data'].learner as PositionRecipe), averagedSteps: 5 };

const learnerAt = (ratio: number): PositionLearner =>
  new PositionLearner(space, deepCost, ratio * deepCost.baseline, recipe);

/** Largest cost of one token more in any block, in GFLOPs. */
const tokenPrice = Math.max(...deepCost.price(deepFixed(), 1));

function expectOrder({ pruneKept, mergeKept }: KeptNumbers): void {
  for (const block of space.searched) {
    const [pruned, merged] = [pruneKept[block] as number, mergeKept[block] as number];
    expect(Number.isInteger(pruned) && Number.isInteger(merged)).toBe(true);
    expect(merged).toBeGreaterThanOrEqual(2);
    expect(merged).toBeLessThanOrEqual(pruned);
  }
}

const runs = fc.record({
  ratio: fc.double({ min: 0.35, max: 0.95, noNaN: true }),
  seed: fc.integer({ min: 0, max: 1e6 }),
  steps: fc.integer({ min: 1, max: 12 }),
  scale: fc.constantFrom(0, 1e-9, 1, 1e6),
});

/** Any gradients at all. */
function drawnSlope(random: RandomGenerator, scale: number): () => number {
  return () => scale * random.normal();
}

describe('PositionLearner', () => {
  it('keeps the budget and the order after every step, whatever the gradients', () => {
    fc.assert(
      fc.property(runs, ({ ratio, seed, steps, scale }) => {
        const learner = learnerAt(ratio);
        const target = ratio * deepCost.baseline;
        const random = new RandomGenerator(seed);
        for (let step = 1; step <= steps; step++) {
          learner.update(fakeStep(space, learner.kept(), drawnSlope(random, scale)), step / steps);
          expectOrder(learner.kept());
          // Fractional numbers cost at most the target; rounding adds at most half a token per
          // block.
          expect(deepCost.value(learner.kept())).toBeLessThanOrEqual(
            target + (tokenPrice * space.searched.length) / 2 + 1e-12,
          );
          const values = learner.save()['value'] as readonly number[];
          const fixed = deepFixed();
          const fractional = { pruneKept: [...fixed.pruneKept], mergeKept: [...fixed.mergeKept] };
          space.searched.forEach((block, index) => {
            fractional.pruneKept[block] = values[2 * index] as number;
            fractional.mergeKept[block] = values[2 * index + 1] as number;
          });
          expect(deepCost.value(fractional)).toBeLessThanOrEqual(target * (1 + 1e-12));
        }
        const kept = learner.finish();
        expectOrder(kept);
        expect(deepCost.value(kept)).toBeLessThanOrEqual(target);
        // What is left does not pay for one token more in every block; at most nothing is removed
        // where it may be.
        const reachable = Math.min(target, deepCost.value(deepFixed()));
        expect(deepCost.value(kept)).toBeGreaterThan(reachable - tokenPrice * space.searched.length - 1e-12);
      }),
      { numRuns: 60 },
    );
  });

  it('starts from as many merged tokens in every block, at the target, and prunes nothing', () => {
    const { pruneKept, mergeKept } = learnerAt(0.6).kept();
    const blocks = effectiveTokens({ pruneKept, mergeKept }, deepTokens);
    const removed = space.searched.map((block) => (blocks[block]?.tokensIn as number) - (mergeKept[block] as number));
    expect(Math.min(...removed)).toBeGreaterThan(0);
    expect(Math.max(...removed) - Math.min(...removed)).toBeLessThanOrEqual(1);
    for (const block of space.searched) expect(blocks[block]?.pruneKept).toBe(blocks[block]?.tokensIn);
    expect(Math.abs(deepCost.value({ pruneKept, mergeKept }) / deepCost.baseline - 0.6)).toBeLessThan(0.02);
  });

  it('keeps tokens in the block whose tokens are worth something', () => {
    const kept = (precious: number): readonly number[] => {
      const learner = learnerAt(0.6);
      for (let step = 1; step <= 20; step++) {
        const slope = (block: number, _: number, of: 'mask' | 'merging'): number =>
          of === 'merging' ? 0 : -1 / (block === precious ? 1 : 100);
        learner.update(fakeStep(space, learner.kept(), slope), step / 20);
      }
      return learner.finish().mergeKept;
    };
    expect(kept(4)[4]).toBeGreaterThan(kept(1)[4] as number);
  });

  it('prunes what is not worth merging, and merges what is', () => {
    const pruned = (worth: number): number => {
      const learner = learnerAt(0.6);
      for (let step = 1; step <= 20; step++) {
        const slope = (_: number, __: number, of: 'mask' | 'merging'): number => (of === 'merging' ? -worth : -1);
        learner.update(fakeStep(space, learner.kept(), slope), step / 20);
      }
      return effectiveTokens(learner.finish(), deepTokens).reduce(
        (sum, { tokensIn, pruneKept }, block) => sum + (space.searched.includes(block) ? tokensIn - pruneKept : 0),
        0,
      );
    };
    expect(pruned(-1)).toBeGreaterThan(10);
    expect(pruned(1)).toBe(0);
  });

  it('continues from its saved state', () => {
    fc.assert(
      fc.property(runs, fc.nat(), ({ ratio, seed, steps, scale }, where) => {
        const cut = where % steps;
        const course = (broken: boolean): LearnerState => {
          const random = new RandomGenerator(seed);
          let learner = learnerAt(ratio);
          for (let step = 0; step < steps; step++) {
            if (broken && step === cut) {
              const state: LearnerState = JSON.parse(JSON.stringify(learner.save()));
              learner = learnerAt(ratio);
              learner.restore(state);
            }
            learner.update(fakeStep(space, learner.kept(), drawnSlope(random, scale)), (step + 1) / steps);
          }
          const finished = learner.finish();
          return { ...learner.save(), prune: finished.pruneKept, merge: finished.mergeKept };
        };
        expect(course(true)).toEqual(course(false));
      }),
      { numRuns: 20 },
    );
  });

  it('says how low it can go', () => {
    const least = deepCost.value({ pruneKept: [50, 2, 2, 2, 2, 1], mergeKept: [50, 2, 2, 2, 2, 1] });
    expect(() => learnerAt(0.05)).toThrow(DiffrateError);
    expect(() => learnerAt(0.05)).toThrow(`below the least reachable cost, ${least.toPrecision(4)} GFLOPs; raise it.`);
    expect(() => learnerAt((least / deepCost.baseline) * 1.001)).not.toThrow();
  });
});

describe('a state that does not fit', () => {
  it.each([
    ['nothing', {}],
    ['half of its numbers', { value: [3, 2] }],
    ['no vector', { value: 3 }],
  ])('is refused in a sentence: %s', (_, changes) => {
    const learner = learnerAt(0.7);
    const state = Object.keys(changes).length === 0 ? {} : { ...learner.save(), ...changes };
    expect(() => learner.restore(state)).toThrow(/checkpoint is damaged: .* does not fit the network; start again/);
  });
});
