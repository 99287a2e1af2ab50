/**
 * The published search (arXiv 2305.17997, section 3.3): a proxy over candidates for pruning and one for merging per block, the
 * loss plus `λ·(GFLOPs − target)²`, AdamW on ρ̂.
 */
import type { Cost } from '../../cost/cost.ts';
import type { KeptNumbers } from '../../reduction/schedule.ts';
import { AdamW } from '../adamw.ts';
import { cosine } from '../cosine.ts';
import type { CandidateRecipe } from '../presets.ts';
import { candidatesOf, CandidateProxy } from '../proxies/candidate-proxy.ts';
import type { StepResult } from '../search-step.ts';
import type { Learner, LearnerState } from './learner.ts';

interface LearntProxy {
  readonly block: number;
  readonly kind: 'prune' | 'merge';
  readonly proxy: CandidateProxy;
  readonly optimizer: AdamW;
}

/** What a learner needs to know of the network. */
export interface LearnerNetwork {
  readonly depth: number;
  /** Tokens at the first block, class token counted. */
  readonly tokens: number;
  /** Blocks whose kept numbers are learnt. */
  readonly searched: readonly number[];
}

/** Learner of the paper. */
export class CandidateLearner implements Learner {
  readonly #network: LearnerNetwork;
  readonly #cost: Cost;
  readonly #target: number;
  readonly #recipe: CandidateRecipe;
  readonly #proxies: readonly LearntProxy[];

  /** @param target in the cost's unit; the published λ is for GFLOPs. */
  constructor(network: LearnerNetwork, cost: Cost, target: number, recipe: CandidateRecipe) {
    this.#network = network;
    this.#cost = cost;
    this.#target = target;
    this.#recipe = recipe;
    const candidates = candidatesOf(network.tokens - 1, recipe.granularity);
    this.#proxies = network.searched.flatMap((block) =>
      (['prune', 'merge'] as const).map((kind) => ({
        block,
        kind,
        proxy: new CandidateProxy(candidates),
        optimizer: new AdamW(candidates.length),
      })),
    );
  }

  kept(): KeptNumbers {
    const { depth, tokens } = this.#network;
    const all = Array.from({ length: depth }, () => tokens);
    const kept = { pruneKept: [...all], mergeKept: [...all] };
    for (const { block, kind, proxy } of this.#proxies) kept[`${kind}Kept`][block] = proxy.keptNumber();
    return kept;
  }

  update(result: StepResult, progress: number, epoch: number): void {
    const { costWeight, warmUpEpochs, learningRate } = this.#recipe;
    const kept = this.kept();
    const weight = epoch < warmUpEpochs ? 0 : costWeight;
    const slope = 2 * weight * (this.#cost.value(kept) - this.#target);
    const cost = this.#cost.gradient(kept);
    const rate = cosine(learningRate.start, learningRate.end, progress);
    for (const { block, kind, proxy, optimizer } of this.#proxies) {
      const mask = result.gradients.find((candidate) => candidate.block === block)?.[kind];
      optimizer.update(proxy.parameters, proxy.gradient(mask, slope * (cost[kind][block] ?? 0)), rate);
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
    const vector = (name: string): number[] => [...(state[name] as readonly number[])];
    for (const { block, kind, proxy, optimizer } of this.#proxies) {
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
