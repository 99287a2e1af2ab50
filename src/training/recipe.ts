/**
 * How to train, as data: the published recipes and those for small data.
 * Every number of a recipe can be set in a configuration file.
 */
import { DEIT_AUGMENTATION, LIGHT_AUGMENTATION } from '../data/augmentation.ts';
import type { ImageAugmentation } from '../data/augmentation.ts';
import type { MixingOptions } from '../data/mixing.ts';
import type { Initialization } from './initialization.ts';
import type { PatchDropoutCourse } from './patch-dropout-stages.ts';
import type { SinusoidalPositions } from './sinusoidal-positions.ts';
import type { TargetKind } from '../execution/soft-targets.ts';

/** Everything that a training run depends on besides network, images and seed. */
export interface TrainingRecipe {
  /** How weights are drawn where training starts from scratch. */
  readonly initialization: Initialization;
  /** The position embedding to start from scratch with; random by default. */
  readonly sinusoidalPositions?: SinusoidalPositions | undefined;
  /** Images per optimizer step. */
  readonly batchSize: number;
  /**
   * The most images that go through the graph at once; gradients of several such parts are
   * averaged.
   */
  readonly microBatchSize: number;
  /** How often the images are gone through. */
  readonly epochs: number;
  /** Optimizer steps in place of what the epochs give. */
  readonly steps?: number | undefined;
  /** Highest learning rate of AdamW, reached at the end of the warm-up. */
  readonly learningRate: number;
  /** Learning rate at the end of the cosine. */
  readonly finalLearningRate: number;
  /** Length of the linear warm-up in epochs; fractions are fine. */
  readonly warmUpEpochs: number;
  /** Of AdamW, decoupled; biases, norms, position embeddings and class token are spared. */
  readonly weightDecay: number;
  /** Rate of drop path in the last block, growing from 0 in the first. */
  readonly dropPath: number;
  /**
   * Share of patches that every image loses at random from the first block on,
   * or such shares for parts of the run; 0: off.
   * Not together with a schedule.
   */
  readonly patchDropout: PatchDropoutCourse;
  /** Epochs from one evaluation to the next; the last weights are always evaluated. Default 1. */
  readonly evaluationEpochs?: number | undefined;
  /** Largest norm of the whole gradient; what is longer is scaled down to it. 0: off. */
  readonly clipNorm: number;
  /** Decay of the running average of weights, which is what is evaluated and saved. 0: off. */
  readonly averageDecay: number;
  /** Class labels, or the uncompressed network's answers. */
  readonly targets: TargetKind;
  readonly labelSmoothing: number;
  readonly mixing: MixingOptions;
  readonly augmentation: ImageAugmentation;
  /** How often each image is in an epoch, differently augmented, in place of others; 1: off. */
  readonly repeatedAugmentation: number;
}

/** Recipes by name. */
export type RecipeName = 'finetune' | 'finetune-small-data' | 'scratch';

/**
 * AdamW of the published recipes: linear in the batch, 5e-4 at 512 images (arXiv 2012.12877, Table
 * 9).
 */
const scratchLearningRate = (batchSize: number): number => (5e-4 * batchSize) / 512;

/** The recipes. */
export const recipes: Readonly<Record<RecipeName, TrainingRecipe>> = {
  // Fine-tuning of the paper (arXiv 2305.17997, Table 6): 30 epochs of ImageNet at 1,024 images a
  // step.
  finetune: {
    initialization: 'truncated-normal',
    batchSize: 1024,
    microBatchSize: 16,
    epochs: 30,
    learningRate: 2e-5,
    finalLearningRate: 1e-6,
    warmUpEpochs: 0,
    weightDecay: 0.05,
    dropPath: 0.1,
    patchDropout: 0,
    clipNorm: 0,
    averageDecay: 0,
    targets: 'labels',
    labelSmoothing: 0.1,
    mixing: { mixup: 0.8, cutmix: 1 },
    augmentation: DEIT_AUGMENTATION,
    repeatedAugmentation: 3,
  },
  // Some hundred images without labels: the uncompressed network answers for them.
  // A step of 16 images is so noisy that the last weights may be worse than the first ones;
  // their average is better than both.
  'finetune-small-data': {
    // Only a method's own parameters are drawn.
    initialization: 'xavier-uniform',
    batchSize: 16,
    microBatchSize: 16,
    epochs: 2,
    learningRate: 1e-5,
    finalLearningRate: 1e-6,
    warmUpEpochs: 0.1,
    weightDecay: 0.05,
    dropPath: 0,
    patchDropout: 0,
    clipNorm: 1,
    averageDecay: 0.99,
    targets: 'teacher',
    labelSmoothing: 0,
    mixing: { mixup: 0, cutmix: 0 },
    augmentation: LIGHT_AUGMENTATION,
    repeatedAugmentation: 1,
  },
  // DeiT's (arXiv 2012.12877, Table 9), as timm runs it.
  scratch: {
    initialization: 'truncated-normal',
    batchSize: 1024,
    microBatchSize: 16,
    epochs: 300,
    learningRate: scratchLearningRate(1024),
    finalLearningRate: 1e-5,
    warmUpEpochs: 5,
    weightDecay: 0.05,
    dropPath: 0.1,
    patchDropout: 0,
    clipNorm: 0,
    averageDecay: 0.99996,
    targets: 'labels',
    labelSmoothing: 0.1,
    mixing: { mixup: 0.8, cutmix: 1 },
    augmentation: DEIT_AUGMENTATION,
    repeatedAugmentation: 3,
  },
};
