/** A correction's options settled: which parameters, how many steps, on which images. */
import type { ImageAugmentation } from '../data/augmentation.ts';
import type { ImageSource } from '../data/image-source.ts';
import { imagesFingerprint, scheduleFingerprint, weightsFingerprint } from '../execution/fingerprints.ts';
import type { Model } from '../networks/model.ts';
import type { Network } from '../networks/network.ts';
import { objectiveFor } from '../objectives/registry.ts';
import { tokensOf } from '../reduction/network-shape.ts';
import { effectiveTokens } from '../reduction/schedule.ts';
import type { Schedule } from '../reduction/schedule.ts';
import type { Identity } from '../search/checkpoint.ts';
import { recipes } from '../training/recipe.ts';
import type { TrainingOptions } from '../training/training-options.ts';
import type { TrainingPlan } from '../training/training-plan.ts';
import { vectorOf } from '../training/trained-parameters.ts';
import { VectorMemory } from '../training/vector-memory.ts';
import { correctionSettings, divideImages } from './check-correction.ts';
import type { CorrectionSettings } from './check-correction.ts';
import { correctedLayout } from './corrected-parameters.ts';
import type { CorrectionOptions } from './correction-options.ts';

/** Looks at the held-out images, the one before the first step not counted. */
const wantedLooks = 10;

/** Everything that a correction needs. */
export interface CorrectionPlan {
  readonly model: Model;
  readonly schedule: Schedule;
  readonly settings: CorrectionSettings;
  /** Steps from one look at the held-out images to the next. */
  readonly stepsPerLook: number;
  readonly heldOut: ImageSource;
  /** The training of the other images, as the trainer knows it. */
  readonly training: TrainingOptions & { readonly start: Model };
  readonly plan: Omit<TrainingPlan, 'identity'>;
  /** Fingerprints of the weights and of the schedule, which the correction will bear. */
  readonly fingerprints: { readonly weights: string; readonly schedule: string };
  /** What makes two corrections the same, by part. */
  readonly identity: Identity;
}

/**
 * Settles the options; nothing is run.
 * @throws {DiffrateError} for a schedule that does not fit, and images that are too few.
 */
export async function planCorrection(
  model: Model,
  schedule: Schedule,
  images: ImageSource,
  options: CorrectionOptions,
): Promise<CorrectionPlan> {
  const { name, network, parameters, preprocessing } = model;
  effectiveTokens(schedule, tokensOf(network), network.depth);
  const settings = correctionSettings(options);
  const { steps, batchSize, learningRate, seed } = settings;
  const { training, heldOut } = await divideImages(images, seed);
  const objective = options.objective ?? objectiveFor(network.answers);
  const layout = correctedLayout(network, parameters.has);
  // Weights, gradient and two moments.
  const memory = new VectorMemory(layout.length, 4);
  const weights = memory.vector();
  weights.set(vectorOf(layout, parameters));
  const { runtime, device, threads, strict, onWarning } = options;
  const fingerprints = {
    weights: await weightsFingerprint(model),
    schedule: await scheduleFingerprint(schedule, network),
  };
  return {
    model,
    schedule,
    settings,
    stepsPerLook: Math.ceil(steps / wantedLooks),
    heldOut,
    training: {
      name,
      network,
      preprocessing,
      start: model,
      recipe: {
        ...recipes['finetune-small-data'],
        batchSize,
        microBatchSize: batchSize,
        augmentation: augmentationOf(network),
      },
      objective,
      schedule,
      images: training,
      seed,
      runtime,
      device,
      threads,
      resume: false,
      strict,
      onWarning,
    },
    plan: {
      objective,
      layout,
      memory,
      weights,
      steps,
      microBatches: 1,
      microBatchSize: batchSize,
      batchSize,
      learningRate: { peak: learningRate, final: 0, warmUpSteps: 0, steps },
    },
    fingerprints,
    identity: {
      model: name,
      ...fingerprints,
      objective: objective.name,
      recipe: `${steps} steps of ${batchSize} images at ${learningRate}`,
      seed: String(seed),
      images: await imagesFingerprint(images),
      device: device ?? 'cpu',
    },
  };
}

/** Crops about as large as those of an evaluation, and mirror images. */
function augmentationOf({ input: { height, width } }: Network): ImageAugmentation {
  return { randomResizedCrop: { scale: [0.5, 1], ratio: [width / height, width / height] }, horizontalFlip: 0.5 };
}
