/**
 * A run's options settled: how many steps of how many images, at which learning rate, from which
 * weights.
 */
import { checkAugmentation } from '../data/augmentation.ts';
import { checkLabels, requireLabels } from '../data/image-source.ts';
import type { ImageSource } from '../data/image-source.ts';
import { microBatchesOf } from '../data/micro-batches.ts';
import { DiffrateError } from '../errors.ts';
import { classesOf } from '../evaluation/metrics.ts';
import { imagesFingerprint, textFingerprint, weightsFingerprint } from '../execution/fingerprints.ts';
import { requireLabelTargets } from '../execution/soft-targets.ts';
import type { Objective } from '../objectives/objective.ts';
import { objectiveFor } from '../objectives/registry.ts';
import type { NamedMethod } from '../reduction/methods/registry.ts';
import { tokensOf } from '../reduction/network-shape.ts';
import { effectiveTokens } from '../reduction/schedule.ts';
import { initialWeights } from './initialization.ts';
import type { LearningRateCourse } from './learning-rate.ts';
import { checkPatchDropout, dropsPatches } from './patch-dropout-stages.ts';
import { layoutOf, learnedLayout, vectorOf } from './trained-parameters.ts';
import type { ParameterLayout } from './trained-parameters.ts';
import type { TrainingOptions } from './training-options.ts';
import { VectorMemory } from './vector-memory.ts';

/** Everything that a run needs besides its options. */
export interface TrainingPlan {
  /** Compares answers with targets. */
  readonly objective: Objective;
  readonly layout: ParameterLayout;
  /** For the weights, their gradient, sums over micro-batches, moments and average. */
  readonly memory: VectorMemory;
  /** The weights to start with, a copy in `memory`. */
  readonly weights: Float32Array;
  readonly steps: number;
  readonly microBatches: number;
  readonly microBatchSize: number;
  /** Images per optimizer step. */
  readonly batchSize: number;
  readonly learningRate: LearningRateCourse;
  /** What makes two runs the same: network, start, images and every setting. */
  readonly identity: () => Promise<string>;
}

/**
 * Settles the options.
 * @throws {DiffrateError} where labels are wanted and there are none, the network gives no classes
 *   or some labels are out of range; where a teacher is wanted and there is none; where recipe,
 *   schedule and method do not go together.
 */
export function planTraining(options: TrainingOptions): TrainingPlan {
  const { network, start, recipe, images: folder, schedule, method, seed } = options;
  const objective = options.objective ?? objectiveFor(network.answers);
  if (recipe.targets === 'teacher' && start === undefined) {
    throw new DiffrateError('There is no teacher for a network that is trained from scratch: train on labels.');
  }
  checkPatchDropout(recipe.patchDropout);
  checkAugmentation(recipe.augmentation);
  if (schedule !== undefined) effectiveTokens(schedule, tokensOf(network), network.depth);
  if (dropsPatches(recipe.patchDropout)) checkDroppedPatches(options);
  if (method !== undefined) checkMethod(options, method);
  const classes = classesOf(network.answers);
  if (recipe.targets === 'labels') checkLabelled(folder, objective, start !== undefined);
  if (recipe.targets === 'labels') checkLabels(folder, classes);
  if (options.evaluation !== undefined) checkLabels(options.evaluation, classes);
  const learned = options.method?.learned;
  const layout =
    learned?.trainsNetwork === false
      ? learnedLayout(learned.parameters)
      : layoutOf(network, start?.parameters.has, learned?.parameters);
  const { microBatches, microBatchSize, batchSize } = microBatchesOf(recipe.batchSize, recipe.microBatchSize);
  const memory = new VectorMemory(layout.length, 4 + (microBatches > 1 ? 1 : 0) + (recipe.averageDecay > 0 ? 1 : 0));
  const weights = memory.vector();
  // Sine-cosine positions are for networks that start from scratch, and may not fit another.
  const positions = start === undefined ? recipe.sinusoidalPositions : undefined;
  const drawn = (): Float32Array => initialWeights(layout, network.layout, seed, recipe.initialization, positions);
  // A network that is trained on has all of its weights; only a method's parameters may be missing.
  weights.set(start === undefined ? drawn() : vectorOf(layout, start.parameters, learned && drawn()));
  const stepsPerEpoch = folder.images.length / batchSize;
  const steps = recipe.steps ?? Math.max(1, Math.ceil(recipe.epochs * stepsPerEpoch));
  const warmUpSteps = Math.min(Math.round(recipe.warmUpEpochs * stepsPerEpoch), Math.floor(steps / 2));
  return {
    objective,
    layout,
    memory,
    weights,
    steps,
    microBatches,
    microBatchSize,
    batchSize,
    learningRate: {
      peak: recipe.learningRate,
      final: Math.min(recipe.finalLearningRate, recipe.learningRate),
      warmUpSteps,
      steps,
    },
    identity: () => identityOf(options, objective, weights, steps),
  };
}

/** Whether labels can be what a network is trained on. */
function checkLabelled(images: ImageSource, objective: Objective, hasTeacher: boolean): void {
  requireLabelTargets(objective);
  const instead = hasTeacher ? ', or take the uncompressed network’s answers as `targets`' : '';
  requireLabels(images, `to train on labels add a labels.csv or class sub-folders${instead}`);
}

/** What patch dropout does not go together with. */
function checkDroppedPatches({ name, network, schedule }: TrainingOptions): void {
  if (schedule !== undefined) {
    throw new DiffrateError(
      'A schedule counts all tokens of an image, and patch dropout takes some away: train with one of the two.',
    );
  }
  if (network.mergeOnly) {
    throw new DiffrateError(`${name} needs every patch again after its last block: train it without patch dropout.`);
  }
}

/** What a method can be trained together with. */
function checkMethod({ name: model, network, schedule, recipe, start }: TrainingOptions, method: NamedMethod): void {
  const { name, learned } = method;
  if (learned === undefined) {
    throw new DiffrateError(`${name} has nothing to train: train with a schedule, or with a method that learns.`);
  }
  if (schedule !== undefined || dropsPatches(recipe.patchDropout)) {
    throw new DiffrateError(`${name} removes tokens by itself: train it without a schedule and without patch dropout.`);
  }
  if (!learned.trainsNetwork && start === undefined) {
    throw new DiffrateError(`${name} leaves the network's weights as they are: give a network to start from.`);
  }
  if (classesOf(network.answers) === 0) {
    throw new DiffrateError(`${name} learns from class probabilities, which ${model} does not give: use a classifier.`);
  }
}

async function identityOf(
  options: TrainingOptions,
  objective: Objective,
  weights: Float32Array,
  steps: number,
): Promise<string> {
  const {
    name,
    network,
    preprocessing,
    recipe,
    schedule,
    method,
    images: folder,
    seed,
    device = 'cpu',
    start,
  } = options;
  const kept =
    schedule === undefined
      ? null
      : [
          schedule.pruneKept,
          schedule.mergeKept,
          ...(schedule.merging === undefined ? [] : [schedule.merging]),
          ...(schedule.selection === undefined ? [] : [schedule.selection]),
        ];
  // Of a network its sizes, and what a configuration file would say of it.
  const described = [network, network.hubConfiguration(() => true), preprocessing];
  const settings = await textFingerprint(
    JSON.stringify([described, objective.name, recipe, kept, ...(method === undefined ? [] : [method.name])]),
  );
  const bytes = new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength);
  // What is trained may be thresholds alone, beside a network that stays as it is, or whose answers
  // are the targets.
  const beside =
    start === undefined ? '' : `, network ${await weightsFingerprint({ network, parameters: start.parameters })}`;
  return `${name}, ${steps} steps, seed ${seed}, on ${device}, settings ${settings}, start ${await textFingerprint(bytes)}${beside}, images ${await imagesFingerprint(folder)}`;
}
