/**
 * Projection and learners on any space: prefix tokens or none, oblong grids, networks that only
 * merge, and costs that are smooth or have steps.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cost } from '../../src/cost/cost.ts';
import { flopsCost } from '../../src/cost/flops-cost.ts';
import { RandomGenerator } from '../../src/data/random.ts';
import { transformerBlockFlops } from '../../src/networks/network-flops.ts';
import type { NetworkShape } from '../../src/reduction/network-shape.ts';
import { effectiveTokens } from '../../src/reduction/schedule.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { searchSpace } from '../../src/reduction/search-space.ts';
import type { SearchSpace } from '../../src/reduction/search-space.ts';
import { smallestKept, tokenCount } from '../../src/reduction/token-layout.ts';
import { CandidateLearner } from '../../src/search/learners/candidate-learner.ts';
import type { Learner, LearnerState } from '../../src/search/learners/learner.ts';
import { PositionLearner } from '../../src/search/learners/position-learner.ts';
import { presets } from '../../src/search/presets.ts';
import type { CandidateRecipe, PositionRecipe } from '../../src/search/presets.ts';
import { keptOf, numbersOf, project, stretch } from '../../src/search/projection.ts';
import type { Projection } from '../../src/search/projection.ts';
import { fakeStep } from './deep-network.ts';
import { stepCost } from './step-cost.ts';

const positions: PositionRecipe = { ...(presets['small-data'].learner as PositionRecipe), averagedSteps: 5 };
const candidates = presets.paper.learner as CandidateRecipe;

/** A network's shape; without prefix tokens none alone can be read. */
const shapes: fc.Arbitrary<NetworkShape> = fc
  .record({
    prefix: fc.constantFrom(0, 1, 2),
    grid: fc.tuple(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 2, max: 9 })),
    depth: fc.integer({ min: 3, max: 6 }),
    readsPrefix: fc.boolean(),
    mergeOnly: fc.boolean(),
  })
  .map(({ prefix, grid, depth, readsPrefix, mergeOnly }) => ({
    input: { height: 16 * grid[0], width: 16 * grid[1] },
    layout: { prefix, grid },
    depth,
    importanceFrom: prefix > 0 ? 'class-token' : 'attention-received',
    reads: prefix > 0 && readsPrefix && !mergeOnly ? 'prefix' : 'every-token',
    mergeOnly,
  }));

interface Case extends Projection {
  /** Tokens to a step of the cost; 0 is a smooth one. */
  readonly tile: number;
  readonly seed: number;
}

/** A target somewhere in the reachable range. */
const cases = (tiles: fc.Arbitrary<number>): fc.Arbitrary<Case> =>
  fc
    .record({
      shape: shapes,
      tile: tiles,
      width: fc.integer({ min: 8, max: 512 }),
      share: fc.double({ min: 0, max: 0.999, noNaN: true }),
      seed: fc.nat(1e6),
    })
    .map(({ shape, tile, width, share, seed }) => {
      const space = searchSpace(shape);
      const blocks = Array.from({ length: space.depth }, () => transformerBlockFlops(width, 4 * width));
      const smooth = flopsCost({ ...space, flops: { before: 1e6, blocks, after: 1e5 } });
      const cost = tile === 0 ? smooth : stepCost(space, tile);
      const { min, max } = cost.reachable(space);
      return { space, cost, target: min + share * (max - min), tile, seed };
    });

const smooth = fc.constant(0);
const anyTile = fc.integer({ min: 0, max: 8 });
const tiles = fc.integer({ min: 2, max: 8 });

/**
 * Whole numbers that fall, from all tokens to no fewer than a block may keep; where tokens only
 * merge, none is pruned.
 */
function expectSchedule({ space }: { readonly space: SearchSpace }, { pruneKept, mergeKept }: KeptNumbers): void {
  const { layout, searched, fixed, depth, mergeOnly } = space;
  expect([pruneKept.length, mergeKept.length]).toEqual([depth, depth]);
  let live = tokenCount(layout);
  for (let block = 0; block < depth; block++) {
    const [left, out] = [pruneKept[block] as number, mergeKept[block] as number];
    if (!searched.includes(block)) {
      expect([left, out]).toEqual([fixed.pruneKept[block], fixed.mergeKept[block]]);
      continue;
    }
    expect(Number.isInteger(left) && Number.isInteger(out)).toBe(true);
    expect(out).toBeLessThanOrEqual(left);
    expect(out).toBeGreaterThanOrEqual(smallestKept(layout));
    if (mergeOnly) expect(left).toBeGreaterThanOrEqual(live);
    live = Math.min(live, out);
  }
}

/** What is left does not pay for a token more in every block. */
function expectSpent(one: Projection, kept: KeptNumbers): void {
  const { cost, target } = one;
  expect(cost.value(kept)).toBeLessThanOrEqual(target);
  const { merged, pruned } = numbersOf(one, kept);
  expect(cost.value(keptOf(one, { pruned, merged: merged.map((count) => count + 1) }))).toBeGreaterThan(target);
}

/** No block could keep one more of the tokens that it gets without that costing anything. */
function expectSteps({ cost, target, space }: Projection, kept: KeptNumbers): void {
  expect(cost.value(kept)).toBeLessThanOrEqual(target);
  effectiveTokens(kept, tokenCount(space.layout)).forEach(({ pruneKept, tokensOut }, block) => {
    if (!space.searched.includes(block) || tokensOut === pruneKept) return;
    const more = { ...kept, mergeKept: kept.mergeKept.with(block, tokensOut + 1) };
    expect(cost.value(more)).toBeGreaterThan(cost.value(kept));
  });
}

function drawnNumbers({ space, seed }: Case): { merged: number[]; pruned: number[] } {
  const random = new RandomGenerator(seed);
  const tokens = tokenCount(space.layout);
  const draw = (): number[] => space.searched.map(() => (3 * random.uniform() - 1) * tokens);
  return { merged: draw(), pruned: draw().map((value) => value / 4) };
}

describe('project and stretch', () => {
  it('give a schedule at the target, whatever the space and the cost', () => {
    fc.assert(
      fc.property(cases(anyTile), (one) => {
        const numbers = drawnNumbers(one);
        const projected = project(one, numbers);
        for (const kept of [projected, stretch(one, numbersOf(one, projected)), stretch(one, numbers)]) {
          expectSchedule(one, kept);
          expect(one.cost.value(kept)).toBeLessThanOrEqual(one.target);
        }
        const held = one.seed % one.space.searched.length;
        expectSchedule(one, project(one, numbers, held));
      }),
      { numRuns: 200 },
    );
  });

  it('spend a smooth budget but for less than a token per block', () => {
    fc.assert(
      fc.property(cases(smooth), (one) => {
        const projected = project(one, drawnNumbers(one));
        expectSpent(one, projected);
        expectSpent(one, stretch(one, numbersOf(one, projected)));
      }),
      { numRuns: 200 },
    );
  });

  it('keep every token that a step of the cost has room for', () => {
    fc.assert(
      fc.property(cases(tiles), (one) => {
        const projected = project(one, drawnNumbers(one));
        expectSteps(one, projected);
        expectSteps(one, stretch(one, numbersOf(one, projected)));
      }),
      { numRuns: 200 },
    );
  });
});

/** Runs a learner on drawn gradients. */
function learn(learner: Learner, { space, seed }: Case, onStep: () => void = () => {}): KeptNumbers {
  const random = new RandomGenerator(seed).fork('gradients');
  const steps = 12;
  for (let step = 1; step <= steps; step++) {
    const scale = 10 ** (4 * random.uniform() - 2);
    learner.update(
      fakeStep(space, learner.kept(), () => scale * random.normal()),
      step / steps,
      0,
    );
    onStep();
  }
  return learner.finish();
}

const positionLearner = ({ space, cost, target }: Projection): PositionLearner =>
  new PositionLearner(space, cost, target, positions);

const numbersIn = (state: LearnerState): number[] => Object.values(state).flat();

describe('PositionLearner', () => {
  it('ends at a schedule within the target, whatever the space, the cost and the gradients', () => {
    fc.assert(
      fc.property(cases(anyTile), (one) => {
        const learner = positionLearner(one);
        expectSchedule(one, learner.kept());
        const kept = learn(learner, one, () => {
          expectSchedule(one, learner.kept());
          expect(numbersIn(learner.save()).every(Number.isFinite)).toBe(true);
        });
        expectSchedule(one, kept);
        expect(one.cost.value(kept)).toBeLessThanOrEqual(one.target);
        expectSchedule(one, positionLearner(one).finish());
        expect(one.cost.value(positionLearner(one).finish())).toBeLessThanOrEqual(one.target);
      }),
      { numRuns: 100 },
    );
  });

  it('spends a smooth budget but for less than a token per block', () => {
    fc.assert(
      fc.property(cases(smooth), (one) => {
        expectSpent(one, learn(positionLearner(one), one));
      }),
      { numRuns: 60 },
    );
  });

  it('keeps every token that a step of the cost has room for', () => {
    fc.assert(
      fc.property(cases(tiles), (one) => {
        expectSteps(one, learn(positionLearner(one), one));
      }),
      { numRuns: 60 },
    );
  });

  it.each([0, 1, 2])('does not ask what %i prefix tokens are worth, but what the first patch is', (prefix) => {
    const grid = [5, 8] as const;
    const space: SearchSpace = {
      layout: { prefix, grid },
      depth: 4,
      searched: [1, 2],
      fixed: { pruneKept: Array(4).fill(prefix + 40), mergeKept: Array(4).fill(prefix + 40) },
      mergeOnly: false,
    };
    const cost = stepCost(space, 1);
    const learnt = (outlier: number): LearnerState => {
      const learner = positionLearner({ space, cost, target: 0.7 * cost.baseline });
      const random = new RandomGenerator(4);
      const slope = (_: number, position: number): number => random.normal() + (position === outlier ? 1e6 : 0);
      for (let step = 1; step <= 3; step++) learner.update(fakeStep(space, learner.kept(), slope), step / 3);
      return learner.save();
    };
    for (let position = 0; position < prefix; position++) expect(learnt(position)).toEqual(learnt(-1));
    expect(learnt(prefix)).not.toEqual(learnt(-1));
  });

  it('follows the gradients where the cost has steps, too: tokens stay where they are worth something', () => {
    const shape: NetworkShape = {
      input: { height: 128, width: 96 },
      layout: { prefix: 2, grid: [8, 6] },
      depth: 6,
      importanceFrom: 'class-token',
      reads: 'prefix',
      mergeOnly: false,
    };
    const space = searchSpace(shape);
    const cost: Cost = stepCost(space, 8);
    const keptAt = (precious: number): number => {
      const learner = positionLearner({ space, cost, target: 0.6 * cost.baseline });
      for (let step = 1; step <= 40; step++) {
        const slope = (block: number, _: number, of: 'mask' | 'merging'): number =>
          of === 'merging' ? 0 : -1 / (block === precious ? 1 : 100);
        learner.update(fakeStep(space, learner.kept(), slope), step / 40);
      }
      return learner.finish().mergeKept[4] as number;
    };
    expect(keptAt(4)).toBeGreaterThan(keptAt(1) + 4);
  });
});

describe('CandidateLearner', () => {
  it('keeps prefix tokens and at least one patch in every searched block, and prunes none where tokens only merge', () => {
    fc.assert(
      fc.property(cases(anyTile), (one) => {
        const { space, cost, target } = one;
        const tokens = tokenCount(space.layout);
        const learner = new CandidateLearner(space, cost, target, candidates);
        const check = (): void => {
          const { pruneKept, mergeKept } = learner.kept();
          for (const kept of [...pruneKept, ...mergeKept]) {
            expect(Number.isInteger(kept)).toBe(true);
            expect(kept).toBeGreaterThanOrEqual(smallestKept(space.layout));
            expect(kept).toBeLessThanOrEqual(tokens);
          }
          if (space.mergeOnly) expect(pruneKept.every((kept) => kept === tokens)).toBe(true);
        };
        check();
        learn(learner, one, check);
      }),
      { numRuns: 40 },
    );
  });
});
