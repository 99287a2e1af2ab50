/** The learner of the paper: the objective's gradient, its optimizer, and its state. */
import { describe, expect, it } from 'vitest';
import type { BlockGradients } from '../../../src/execution/gradient-step.ts';
import { splitMaskGradient } from '../../../src/execution/masks.ts';
import type { KeptNumbers } from '../../../src/reduction/schedule.ts';
import { AdamW } from '../../../src/search/adamw.ts';
import { cosine } from '../../../src/search/cosine.ts';
import { CandidateLearner } from '../../../src/search/learners/candidate-learner.ts';
import type { LearnerState } from '../../../src/search/learners/learner.ts';
import { CandidateProxy, candidatesOf } from '../../../src/search/proxies/candidate-proxy.ts';
import type { CandidateRecipe } from '../../../src/search/presets.ts';
import { deepCost, deepSpace, deepTokens, fakeStep } from '../deep-network.ts';

const space = deepSpace(true);
const target = 0.6 * deepCost.baseline;
const recipe: CandidateRecipe = {
  kind: 'candidates',
  granularity: 4,
  costWeight: 5,
  warmUpEpochs: 0,
  learningRate: { start: 0.05, end: 0.01 },
};

/** Tokens far from the class token are worth less, and the deeper the less. */
const slope = (block: number, position: number): number => -0.002 / ((1 + block) * (1 + position));

describe('CandidateLearner', () => {
  it('reaches the target when only the cost speaks', () => {
    const learner = new CandidateLearner(space, deepCost, target, recipe);
    const distance = (): number => Math.abs(deepCost.value(learner.kept()) - target);
    const first = distance();
    for (let step = 0; step < 300; step++)
      learner.update(
        fakeStep(space, learner.kept(), () => 0),
        step / 300,
        0,
      );
    expect(distance()).toBeLessThan(0.02 * deepCost.baseline);
    expect(distance()).toBeLessThan(first / 3);
    expect(learner.finish()).toEqual(learner.kept());
  });

  it('takes the same steps as its parts put together by hand', () => {
    const learner = new CandidateLearner(space, deepCost, target, recipe);
    const candidates = candidatesOf(deepTokens - 1, recipe.granularity);
    const parts = space.searched.map((block) => ({
      block,
      prune: { proxy: new CandidateProxy(candidates, space.layout), optimizer: new AdamW(candidates.length) },
      merge: { proxy: new CandidateProxy(candidates, space.layout), optimizer: new AdamW(candidates.length) },
    }));
    const keptOf = (kind: 'prune' | 'merge'): number[] => [
      deepTokens,
      ...parts.map((part) => part[kind].proxy.keptNumber()),
    ];
    for (let step = 1; step <= 25; step++) {
      const kept: KeptNumbers = { pruneKept: keptOf('prune'), mergeKept: keptOf('merge') };
      expect(learner.kept()).toEqual(kept);
      const result = fakeStep(space, kept, slope);
      learner.update(result, step / 25, 0);
      const overshoot = deepCost.value(kept) - target;
      const price = deepCost.price(kept, recipe.granularity);
      parts.forEach((part, index) => {
        const own = result.gradients[index] as BlockGradients;
        const masks = splitMaskGradient(own.masks, own.mask);
        for (const kind of ['prune', 'merge'] as const) {
          const { proxy, optimizer } = part[kind];
          const ofCost = 2 * 5 * overshoot * (price[part.block] as number);
          const gradient = proxy.gradient(masks[kind], ofCost);
          optimizer.update(proxy.parameters, gradient, cosine(0.05, 0.01, step / 25));
        }
      });
    }
  });

  it('does not mind the cost while it warms up', () => {
    const learner = new CandidateLearner(space, deepCost, target, { ...recipe, warmUpEpochs: 2 });
    const start = learner.kept();
    const step = (epoch: number): void =>
      learner.update(
        fakeStep(space, learner.kept(), () => 0),
        0.1,
        epoch,
      );
    for (let index = 0; index < 10; index++) step(index % 2);
    expect(learner.kept()).toEqual(start);
    for (let index = 0; index < 10; index++) step(2);
    expect(learner.kept()).not.toEqual(start);
  });

  it('continues from its saved state', () => {
    const unbroken = new CandidateLearner(space, deepCost, target, recipe);
    let broken = new CandidateLearner(space, deepCost, target, recipe);
    for (let step = 0; step < 20; step++) {
      if (step === 7) {
        const state: LearnerState = JSON.parse(JSON.stringify(broken.save()));
        broken = new CandidateLearner(space, deepCost, target, recipe);
        broken.restore(state);
      }
      for (const learner of [unbroken, broken]) learner.update(fakeStep(space, learner.kept(), slope), step / 20, 0);
    }
    expect(broken.save()).toEqual(unbroken.save());
  });
});
