/**
 * The published search (arXiv 2305.17997, section 3.3): a proxy over candidates for pruning and one
 * for merging per block, the loss plus `λ·(cost − target)²`, AdamW on ρ̂.
 */
import type { Cost } from '../../cost/cost.ts';
import { splitMaskGradient } from '../../execution/masks.ts';
import type { StepResult } from '../../execution/gradient-step.ts';
import type { KeptNumbers } from '../../reduction/schedule.ts';
import type { SearchSpace } from '../../reduction/search-space.ts';
import { gridTokens, tokenCount } from '../../reduction/token-layout.ts';
import { AdamW } from '../adamw.ts';
import { cosine } from '../cosine.ts';
import type { CandidateRecipe } from '../presets.ts';
import { candidatesOf, CandidateProxy } from '../proxies/candidate-proxy.ts';

import { vectorIn } from './learner.ts';
import type { Learner, LearnerState } from './learner.ts';

interface LearntProxy {
  readonly block: number;
  readonly kind: 'prune' | 'merge';
  readonly proxy: CandidateProxy;
  readonly optimizer: AdamW;
}

/** Learner of the paper. */
export class CandidateLearner implements Learner {
  /** As published, all steps are taken. */
  readonly ended = false;
  readonly #space: SearchSpace;
  readonly #cost: Cost;
  readonly #target: number;
  readonly #recipe: CandidateRecipe;
  readonly #proxies: readonly LearntProxy[];

  /** @param target in the cost's unit; the published λ is for GFLOPs. */
  constructor(space: SearchSpace, cost: Cost, target: number, recipe: CandidateRecipe) {
    this.#space = space;
    this.#cost = cost;
    this.#target = target;
    this.#recipe = recipe;
    const candidates = candidatesOf(gridTokens(space.layout), recipe.granularity);
    const kinds = space.mergeOnly ? (['merge'] as const) : (['prune', 'merge'] as const);
    this.#proxies = space.searched.flatMap((block) =>
      kinds.map((kind) => ({
        block,
        kind,
        proxy: new CandidateProxy(candidates, space.layout),
        optimizer: new AdamW(candidates.length),
      })),
    );
  }

  kept(): KeptNumbers {
    const { depth, layout } = this.#space;
    const all = Array.from({ length: depth }, () => tokenCount(layout));
    const kept = { pruneKept: [...all], mergeKept: [...all] };
    for (const { block, kind, proxy } of this.#proxies) kept[`${kind}Kept`][block] = proxy.keptNumber();
    return kept;
  }

  update(result: StepResult, progress: number, epoch: number): void {
    const { costWeight, warmUpEpochs, learningRate, granularity } = this.#recipe;
    const kept = this.kept();
    const weight = epoch < warmUpEpochs ? 0 : costWeight;
    const slope = 2 * weight * (this.#cost.value(kept) - this.#target);
    const prices = this.#cost.price(kept, granularity);
    const rate = cosine(learningRate.start, learningRate.end, progress);
    for (const { block, kind, proxy, optimizer } of this.#proxies) {
      const own = result.gradients.find((candidate) => candidate.block === block);
      const mask = own === undefined ? undefined : splitMaskGradient(own.masks, own.mask)[kind];
      // The cost's slope goes straight through to both of a block's numbers, whichever is least.
      optimizer.update(proxy.parameters, proxy.gradient(mask, slope * (prices[block] ?? 0)), rate);
    }
  }

  finish(): KeptNumbers {
    return this.kept();
  }

  save(): LearnerState {
    const state: Record<string, number[] | number> = {};
    for (const { block, kind, proxy, optimizer } of this.#proxies) {
      const { step, first, second } = optimizer.save();
      const name = `${kind}.${block}`;
      Object.assign(state, {
        [name]: [...proxy.parameters],
        [`${name}.first`]: first,
        [`${name}.second`]: second,
        step,
      });
    }
    return state;
  }

  restore(state: LearnerState): void {
    for (const { block, kind, proxy, optimizer } of this.#proxies) {
      const vector = (name: string): number[] => [...vectorIn(state, name, proxy.parameters.length)];
      const name = `${kind}.${block}`;
      proxy.parameters.set(vector(name));
      optimizer.restore({
        step: Number(state['step']),
        first: vector(`${name}.first`),
        second: vector(`${name}.second`),
      });
    }
  }
}
