/** A search's options settled: the recipe, its length, what is searched, and what that costs. */
import { checkedCost, formatCost, targetValue } from '../cost/cost.ts';
import type { Cost, CostTarget } from '../cost/cost.ts';
import { flopsCost } from '../cost/flops-cost.ts';
import { DecodedImages } from '../data/decoded-images.ts';
import { countImages, isFew, searchImagesRemark } from '../data/different-images.ts';
import { microBatchesOf } from '../data/micro-batches.ts';
import { DiffrateError } from '../errors.ts';
import type { Evaluator } from '../execution/evaluator.ts';
import { imagesFingerprint, textFingerprint, weightsFingerprint } from '../execution/fingerprints.ts';
import { guardedEvaluator } from '../execution/guarded-evaluator.ts';
import { LocalEvaluator } from '../execution/local-evaluator.ts';
import type { LocalEvaluatorOptions } from '../execution/local-evaluator.ts';
import { requireLabelTargets } from '../execution/soft-targets.ts';
import type { TargetKind } from '../execution/soft-targets.ts';
import { namedShape } from '../networks/model.ts';
import type { Objective } from '../objectives/objective.ts';
import { objectiveFor } from '../objectives/registry.ts';
import { formatSelectionChoice, requireSelectable, settledSelection } from '../reduction/selection-choice.ts';
import type { SelectionChoice } from '../reduction/selection-choice.ts';
import { searchSpace } from '../reduction/search-space.ts';
import type { SearchSpace } from '../reduction/search-space.ts';
import { guardedRuntime } from '../runtime/guarded-runtime.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import type { Identity } from './checkpoint.ts';
import { CandidateLearner } from './learners/candidate-learner.ts';
import type { Learner } from './learners/learner.ts';
import { PositionLearner } from './learners/position-learner.ts';
import { defaultPreset, presets } from './presets.ts';
import type { Preset, PresetName, RefinementRecipe } from './presets.ts';
import type { SearchOptions } from './search-options.ts';

/** Image passes of the local search: a search that was asked to be shorter is so in both phases. */
export function passesOf({ preset, steps }: Plan, recipe: RefinementRecipe, images: number): number {
  const ratio = 'steps' in preset.length ? steps / preset.length.steps : 1;
  return Math.ceil(Math.max(images * recipe.passesPerImage, recipe.leastPasses) * ratio);
}

/** Everything that a search needs besides its options, settled. */
export interface Plan {
  readonly presetName: PresetName;
  /** Its recipe, with the changes that were asked for. */
  readonly preset: Preset;
  readonly seed: number;
  readonly batchSize: number;
  readonly steps: number;
  readonly microBatches: number;
  readonly microBatchSize: number;
  readonly targets: TargetKind;
  readonly objective: Objective;
  readonly space: SearchSpace;
  readonly cost: Cost;
}

/** Options of a search but for what it is to reach. */
export type PlannedOptions = Omit<SearchOptions, 'target'>;

/**
 * Settles the options.
 * @throws {DiffrateError} for an objective that takes no labels where these are the targets, and
 *   for a network with no block to search, or without what the rule of selection ranks tokens by.
 */
export function planOf(options: PlannedOptions): Plan {
  const { model, images: folder } = options;
  const { network } = model;
  const presetName = options.preset ?? defaultPreset;
  const preset = withRule({ ...presets[presetName], ...options.changes }, options.selection);
  requireSelectable(preset.selection, namedShape(network, model.name));
  const { microBatches, microBatchSize, batchSize } = microBatchesOf(
    options.batchSize ?? preset.batchSize,
    preset.microBatchSize,
  );
  const { length } = preset;
  const steps =
    options.steps ?? ('steps' in length ? length.steps : Math.ceil((length.epochs * folder.images.length) / batchSize));
  const objective = options.objective ?? objectiveFor(network.answers);
  const targets = options.targets ?? preset.targets;
  if (targets === 'labels') requireLabelTargets(objective);
  const space = searchSpace(namedShape(network, model.name), preset.learner.kind === 'candidates');
  if (space.searched.length === 0) {
    throw new DiffrateError(
      `${model.name} has no block whose tokens a search may remove: the first keeps all, and the last what is read; use a deeper network.`,
    );
  }
  const cost = options.cost === undefined ? flopsCost(network) : checkedCost(options.cost);
  const { seed = 0 } = options;
  return { presetName, preset, seed, batchSize, steps, microBatches, microBatchSize, targets, objective, space, cost };
}

/** The recipe with another rule of selection; rules but the paper's have one way of merging. */
function withRule(preset: Preset, choice: SelectionChoice | undefined): Preset {
  if (choice === undefined) return preset;
  const selection = settledSelection(choice, 'The selection of the search');
  return { ...preset, selection, ...(selection === undefined ? {} : { merging: 'patches' }) };
}

/**
 * The target in the cost's unit.
 * @throws {DiffrateError} where it has another unit, or is out of reach (with the reachable range).
 */
export function targetOf({ model }: PlannedOptions, { cost, space }: Plan, target: CostTarget): number {
  return targetValue(target, cost, space, model.name);
}

/**
 * Says where there are few images to search on, or some are copies of others: before the search,
 * and later where so many turned out damaged that few are left.
 * @param evaluator knows these by then.
 */
export async function tellOfFewImages(
  { images, onWarning }: PlannedOptions,
  evaluator?: Pick<Evaluator, 'skipped'>,
): Promise<void> {
  const first = await countImages(images);
  const count = evaluator && (await countImages(images, evaluator.skipped));
  // What was said before is said once.
  if (count !== undefined && (isFew(first) || !isFew(count))) return;
  const remark = searchImagesRemark(count ?? first);
  if (remark !== undefined) onWarning?.(remark);
}

/** The learner of the recipe, at its start. */
export function learnerOf({ preset, space, cost }: Plan, target: number): Learner {
  const recipe = preset.learner;
  if (recipe.kind === 'candidates') return new CandidateLearner(space, cost, target, recipe);
  return new PositionLearner(space, cost, target, recipe);
}

/** How sessions run. */
export function sessionOf({ device, threads }: PlannedOptions): SessionOptions {
  return { ...(device === undefined ? {} : { device }), ...(threads === undefined ? {} : { threads }) };
}

/**
 * Who computes losses and gradients for the search.
 * @throws {DiffrateError} where labels are the targets and there are none, or some are out of
 *   range.
 */
export function evaluatorOf(options: PlannedOptions, plan: Plan): Promise<Evaluator> {
  const { model, images: folder, strict, onWarning, runtime, decoded = new DecodedImages() } = options;
  const { preset, targets, objective, space, seed, microBatches, microBatchSize } = plan;
  const { augmentation, mixing, labelSmoothing, toThemselves, merging, selection } = preset;
  const { createEvaluator } = options;
  const asked: LocalEvaluatorOptions = {
    runtime: guardedRuntime(runtime),
    session: sessionOf(options),
    model,
    images: folder,
    objective,
    targets,
    recipe: { augmentation, mixing, labelSmoothing },
    toThemselves,
    space,
    merging,
    selection,
    seed,
    microBatches,
    microBatchSize,
    decoded,
    strict,
    onWarning,
  };
  return createEvaluator === undefined ? LocalEvaluator.create(asked) : guardedEvaluator(() => createEvaluator(asked));
}

/**
 * What makes two searches the same: network with its weights, objective, budget and cost, images,
 * every setting, and the device.
 */
export async function identityOf(options: PlannedOptions, plan: Plan, budget: string): Promise<Identity> {
  // Only progress that is kept can be another's.
  if (options.progress === undefined) return {};
  const { model, images: folder, changes, device = 'cpu' } = options;
  // What a change takes away is a change, too.
  const changed = JSON.stringify(changes ?? {}, (_, value: unknown) => (value === undefined ? 'none' : value));
  return {
    model: model.name,
    budget,
    cost: `${formatCost(plan.cost.baseline, plan.cost.unit, 6)} uncompressed`,
    objective: plan.objective.name,
    preset: plan.presetName,
    changes: changed,
    selection: formatSelectionChoice(plan.preset.selection),
    targets: plan.targets,
    steps: `${plan.steps} of ${plan.batchSize} images`,
    seed: String(plan.seed),
    device,
    network: await textFingerprint(JSON.stringify(model.network.hubConfiguration(model.parameters.has))),
    weights: await weightsFingerprint(model),
    images: await imagesFingerprint(folder),
    preprocessing: await textFingerprint(JSON.stringify(model.preprocessing)),
  };
}
