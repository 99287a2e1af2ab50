/** What a training run is asked for, what it says meanwhile, and what it gives. */
import type { SkippedImage } from '../data/batches.ts';
import type { ImageSource } from '../data/image-source.ts';
import type { Preprocessing } from '../data/preprocessing.ts';
import type { MeasuredObjective } from '../evaluation/metrics.ts';
import type { Model } from '../networks/model.ts';
import type { Network } from '../networks/network.ts';
import type { Objective } from '../objectives/objective.ts';
import type { NamedMethod } from '../reduction/methods/registry.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { Device, Runtime } from '../runtime/runtime.ts';
import type { TrainingRecipe } from './recipe.ts';
import type { ParameterLayout } from './trained-parameters.ts';
import type { TrainingLogRow } from './training-log.ts';

/** How to train. */
export interface TrainingOptions {
  /** Name of the network that is trained, for files and sentences. */
  readonly name: string;
  readonly network: Network;
  /** How an image becomes its input. */
  readonly preprocessing: Preprocessing;
  /**
   * The model to start from, and the teacher where the recipe has one; without it training starts
   * from random weights.
   */
  readonly start?: Model | undefined;
  readonly recipe: TrainingRecipe;
  /** What "the same answers" means; by default what is usual for such answers. */
  readonly objective?: Objective | undefined;
  /** Kept numbers per block: tokens are then really dropped while training. */
  readonly schedule?: KeptNumbers | undefined;
  /** A method that is trained, in place of a schedule. */
  readonly method?: NamedMethod | undefined;
  readonly images: ImageSource;
  /** Images to evaluate on after each epoch. */
  readonly evaluation?: ImageSource | undefined;
  /** The same seed gives the same weights on the same machine and device. */
  readonly seed: number;
  /** Where graphs run; by default ONNX Runtime for Node. */
  readonly runtime?: Runtime | undefined;
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  /** Path of the file that a run which was stopped continues from. */
  readonly checkpoint?: string | undefined;
  /** Seconds between checkpoints, default 60. */
  readonly checkpointSeconds?: number | undefined;
  /** Continue from that file. */
  readonly resume: boolean;
  /** Path of a CSV file that the run's course is written to while it goes on. */
  readonly log?: string | undefined;
  /** Fail at the first image that cannot be decoded instead of leaving it out. */
  readonly strict?: boolean | undefined;
  /** Called once for each image that is left out. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Stops the run after the present step, with its checkpoint written. */
  readonly signal?: AbortSignal | undefined;
}

/** How far a run is. */
export interface TrainingProgress {
  readonly step: number;
  readonly steps: number;
  /** Times the images were gone through. */
  readonly epoch: number;
  /**
   * Running mean of the objective's loss,
   * less what is left of it when all answers are right where a teacher gives the targets.
   */
  readonly loss: number;
  readonly learningRate: number;
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
  /** What the last evaluation gave. */
  readonly evaluation?: EvaluatedEpoch | undefined;
}

/** An evaluation after an epoch. */
export interface EvaluatedEpoch {
  /** In percent, against labels. */
  readonly top1: number | null;
  /** Cross-entropy with labels, in nats. */
  readonly loss: number | null;
  /** KL divergence to the network that training started from, without a schedule, in nats. */
  readonly kl: number | null;
  /** Distance to that network by the objective; of a classifier it is the KL divergence. */
  readonly objective: MeasuredObjective | null;
}

/** What a run gives. */
export interface TrainingOutcome {
  /**
   * The averaged weights where the recipe averages, else the last ones; what a method has not
   * trained is among them.
   */
  readonly weights: Float32Array;
  readonly layout: ParameterLayout;
  readonly rows: readonly TrainingLogRow[];
  readonly steps: number;
  /** Time spent, interrupted runs together. */
  readonly seconds: number;
  /** Running mean of the loss at the end. */
  readonly loss: number;
  readonly evaluation: EvaluatedEpoch | undefined;
  /** Largest resident memory of the process, in bytes. */
  readonly peakMemoryBytes: number;
  readonly skipped: readonly SkippedImage[];
}
