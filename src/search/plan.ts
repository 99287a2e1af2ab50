/** A search's options settled: the recipe, its length, what is searched, and what that costs. */
import { microBatchesOf } from '../data/micro-batches.ts';
import { DiffrateError } from '../errors.ts';
import type { Cost } from '../cost/cost.ts';
import { flopsCost } from '../cost/flops-cost.ts';
import { imagesFingerprint, weightsFingerprint } from '../loading/fingerprints.ts';
import { tokenCount } from '../models/configuration.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import { compressibleBlocks } from '../models/schedule-target.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import { CandidateLearner } from './learners/candidate-learner.ts';
import type { LearnerNetwork } from './learners/candidate-learner.ts';
import type { Learner } from './learners/learner.ts';
import { PositionLearner } from './learners/position-learner.ts';
import { presets } from './presets.ts';
import type { Preset, RefinementRecipe } from './presets.ts';
import type { SearchOptions, TargetKind } from './search-options.ts';

/** Image passes of the local search: a search that was asked to be shorter is so in both phases. */
export function passesOf({ preset, steps }: Plan, recipe: RefinementRecipe, images: number): number {
  const ratio = 'steps' in preset.length ? steps / preset.length.steps : 1;
  return Math.ceil(Math.max(images * recipe.passesPerImage, recipe.leastPasses) * ratio);
}

/** Everything that a search needs besides its options, settled. */
export interface Plan {
  readonly preset: Preset;
  readonly seed: number;
  readonly batchSize: number;
  readonly steps: number;
  readonly microBatches: number;
  readonly microBatchSize: number;
  readonly targets: TargetKind;
  readonly network: LearnerNetwork;
  /** Kept numbers of the blocks that are not searched. */
  readonly fixed: KeptNumbers;
  readonly cost: Cost;
}

/**
 * Settles the options.
 * @throws {DiffrateError} for a target out of reach (with the reachable range), and for an encoder without a classifier.
 */
export function planOf(options: SearchOptions): Plan {
  const { model, folder, targetGflops } = options;
  const { configuration } = model;
  if (configuration.classes === 0) {
    throw new DiffrateError(
      `${model.name} has no classifier, and a search compares its answers; give a checkpoint with a head, or export with a published schedule.`,
    );
  }
  const preset: Preset = { ...presets[options.preset], ...options.changes };
  const { microBatches, microBatchSize, batchSize } = microBatchesOf(
    options.batchSize ?? preset.batchSize,
    preset.microBatchSize,
  );
  const { length } = preset;
  const steps =
    options.steps ?? ('steps' in length ? length.steps : Math.ceil((length.epochs * folder.images.length) / batchSize));
  const compressible = compressibleBlocks(configuration);
  const cost = flopsCost(configuration, { compressible });
  const { min, max } = cost.range;
  if (!(targetGflops >= min && targetGflops < max)) {
    throw new DiffrateError(
      `A cost of ${targetGflops} GFLOPs is out of reach for ${model.name} (${cost.baseline.toFixed(3)} GFLOPs uncompressed); choose a target from ${min.toFixed(3)} to below ${max.toFixed(3)} GFLOPs.`,
    );
  }
  const last =
    configuration.pool === 'class-token' && preset.learner.kind === 'positions' ? configuration.depth - 1 : undefined;
  const searched = compressible.flatMap((may, block) => (may && block !== last ? [block] : []));
  const network = { depth: configuration.depth, tokens: tokenCount(configuration), searched };
  const targets = options.targets ?? preset.targets;
  const fixed = fixedNumbers(configuration);
  return {
    preset,
    seed: options.seed,
    batchSize,
    steps,
    microBatches,
    microBatchSize,
    targets,
    network,
    fixed,
    cost,
  };
}

/** The learner of the recipe, at its start. */
export function learnerOf(plan: Plan, target: number): Learner {
  const recipe = plan.preset.learner;
  if (recipe.kind === 'candidates') return new CandidateLearner(plan.network, plan.cost, target, recipe);
  return new PositionLearner(plan.network, plan.fixed, plan.cost, target, recipe);
}

/** What is not searched: everything is kept, but for the last block of a class-token network, where only that token is read. */
function fixedNumbers(configuration: VisionTransformerConfiguration): KeptNumbers {
  const { depth, pool } = configuration;
  const all = Array.from({ length: depth }, (_, block) =>
    pool === 'class-token' && block === depth - 1 ? 1 : tokenCount(configuration),
  );
  return { pruneKept: all, mergeKept: all };
}

/** What makes two searches the same: network with its weights, budget, images, every setting, and the device. */
export function identityOf(
  { model, folder, preset, changes, device = 'cpu' }: Omit<SearchOptions, 'targetGflops'>,
  plan: Plan,
  budget: string,
): string {
  // What a change takes away is a change, too.
  const changed = JSON.stringify(changes, (_, value: unknown) => (value === undefined ? 'none' : value));
  return `${model.name}, ${budget}, preset ${preset}${changes === undefined ? '' : ` with ${changed}`}, targets ${plan.targets}, ${plan.steps} steps of ${plan.batchSize}, seed ${plan.seed}, on ${device}, weights ${weightsFingerprint(model)}, images ${imagesFingerprint(folder)}`;
}
