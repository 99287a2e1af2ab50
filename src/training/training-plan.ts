/** A run's options settled: how many steps of how many images, at which learning rate, from which weights. */
import { checkAugmentation } from '../data/augmentation.ts';
import { checkLabels } from '../data/image-folder.ts';
import { microBatchesOf } from '../data/micro-batches.ts';
import { DiffrateError } from '../errors.ts';
import { imagesFingerprint, textFingerprint, weightsFingerprint } from '../loading/fingerprints.ts';
import type { NamedMethod } from '../reduction/methods/registry.ts';
import { initialWeights } from './initialization.ts';
import type { LearningRateCourse } from './learning-rate.ts';
import { checkPatchDropout, dropsPatches } from './patch-dropout-stages.ts';
import { layoutOf, learnedLayout, vectorOf } from './trained-parameters.ts';
import type { ParameterLayout } from './trained-parameters.ts';
import type { TrainingOptions } from './training-options.ts';
import { VectorMemory } from './vector-memory.ts';

/** Everything that a run needs besides its options. */
export interface TrainingPlan {
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
  readonly identity: string;
}

/**
 * Settles the options.
 * @throws {DiffrateError} where labels are wanted and there are none or some are out of range, a teacher is wanted and there is none, or
 *   the network has no classifier.
 */
export function planTraining(options: TrainingOptions): TrainingPlan {
  const { name, configuration, start, recipe, folder, seed } = options;
  if (configuration.classes === 0) {
    throw new DiffrateError(`${name} has no classifier, and training needs its answers; give a network with a head.`);
  }
  if (recipe.targets === 'teacher' && start === undefined) {
    throw new DiffrateError('There is no teacher for a network that is trained from scratch: train on labels.');
  }
  checkPatchDropout(recipe.patchDropout);
  checkAugmentation(recipe.augmentation);
  if (dropsPatches(recipe.patchDropout) && options.schedule !== undefined) {
    throw new DiffrateError(
      'A schedule counts all tokens of an image, and patch dropout takes some away: train with one of the two.',
    );
  }
  if (options.method !== undefined) checkMethod(options, options.method);
  if (recipe.targets === 'labels') {
    if (!folder.labelled) {
      throw new DiffrateError(
        `The image folder '${folder.directory}' has no labels to train on: add a labels.csv or class sub-folders${start === undefined ? '' : ', or leave out --labels: the uncompressed network answers then'}.`,
      );
    }
    checkLabels(folder, configuration.classes);
  }
  if (options.evaluation !== undefined) checkLabels(options.evaluation, configuration.classes);
  const learned = options.method?.learned;
  const layout =
    learned?.trainsNetwork === false
      ? learnedLayout(learned.parameters)
      : layoutOf(configuration, start === undefined ? undefined : start.parameters.has, learned?.parameters);
  const { microBatches, microBatchSize, batchSize } = microBatchesOf(recipe.batchSize, recipe.microBatchSize);
  const memory = new VectorMemory(layout.length, 4 + (microBatches > 1 ? 1 : 0) + (recipe.averageDecay > 0 ? 1 : 0));
  const weights = memory.vector();
  // Sine-cosine positions are for networks that start from scratch, and may not fit another.
  const positions = start === undefined ? recipe.sinusoidalPositions : undefined;
  const drawn = (): Float32Array => initialWeights(layout, seed, recipe.initialization, positions);
  // A network that is trained on has all of its weights; only a method's parameters may be missing.
  weights.set(start === undefined ? drawn() : vectorOf(layout, start.parameters, learned && drawn()));
  const stepsPerEpoch = folder.images.length / batchSize;
  const steps = recipe.steps ?? Math.max(1, Math.ceil(recipe.epochs * stepsPerEpoch));
  const warmUpSteps = Math.min(Math.round(recipe.warmUpEpochs * stepsPerEpoch), Math.floor(steps / 2));
  return {
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
    identity: identityOf(options, weights, steps),
  };
}

/** What a method can be trained together with. */
function checkMethod({ schedule, recipe, start }: TrainingOptions, { name, learned }: NamedMethod): void {
  if (learned === undefined) {
    throw new DiffrateError(`${name} has nothing to train: train with a schedule, or with a method that learns.`);
  }
  if (schedule !== undefined || dropsPatches(recipe.patchDropout)) {
    throw new DiffrateError(`${name} removes tokens by itself: train it without a schedule and without patch dropout.`);
  }
  if (!learned.trainsNetwork && start === undefined) {
    throw new DiffrateError(`${name} leaves the network's weights as they are: give a network to start from.`);
  }
}

function identityOf(options: TrainingOptions, weights: Float32Array, steps: number): string {
  const { name, configuration, recipe, schedule, method, folder, seed, device = 'cpu', start: network } = options;
  const kept =
    schedule === undefined
      ? null
      : [schedule.pruneKept, schedule.mergeKept, ...(schedule.merging === undefined ? [] : [schedule.merging])];
  const settings = textFingerprint(
    JSON.stringify([configuration, recipe, kept, ...(method === undefined ? [] : [method.name])]),
  );
  const bytes = new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength);
  // What is trained may be thresholds alone, beside a network that stays as it is, or whose answers are the targets.
  const beside = network === undefined ? '' : `, network ${weightsFingerprint({ ...network, name, configuration })}`;
  return `${name}, ${steps} steps, seed ${seed}, on ${device}, settings ${settings}, start ${textFingerprint(bytes)}${beside}, images ${imagesFingerprint(folder)}`;
}
