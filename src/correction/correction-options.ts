/** What a correction is asked for, what it says meanwhile, and what it gives. */
import type { SkippedImage } from '../data/batches.ts';
import type { DecodedImages } from '../data/decoded-images.ts';
import type { ImageSource } from '../data/image-source.ts';
import type { Correction } from '../exporting/correction-file.ts';
import type { Model } from '../networks/model.ts';
import type { Objective } from '../objectives/objective.ts';
import type { OptionNames } from '../options/known-options.ts';
import type { Schedule } from '../reduction/schedule.ts';
import type { Device, Runtime } from '../runtime/runtime.ts';
import type { ProgressOptions } from '../search/checkpoint.ts';

/** How to correct. */
export interface CorrectionOptions extends ProgressOptions {
  /** What "the same answers" means; by default what is usual for such answers. */
  readonly objective?: Objective | undefined;
  /** Optimizer steps, default 400. */
  readonly steps?: number | undefined;
  /** Images per step, default 16. */
  readonly batchSize?: number | undefined;
  /** Learning rate of the first step, from which a cosine leads to 0; default 3e-4. */
  readonly learningRate?: number | undefined;
  /** The same seed gives the same correction on the same machine and device. Default 0. */
  readonly seed?: number | undefined;
  /** Where graphs run, by default ONNX Runtime for Node. */
  readonly runtime?: Runtime | undefined;
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  /** Where images may be decoded already, and are kept for those that want them next. */
  readonly decoded?: DecodedImages | undefined;
  /** Fail at the first image that cannot be decoded instead of leaving it out. */
  readonly strict?: boolean | undefined;
  /** Stops after the running step, with the progress kept. */
  readonly signal?: AbortSignal | undefined;
}

/** Names of the options. */
export const correctionOptionNames: OptionNames<CorrectionOptions> = {
  objective: true,
  steps: true,
  batchSize: true,
  learningRate: true,
  seed: true,
  runtime: true,
  device: true,
  threads: true,
  decoded: true,
  strict: true,
  signal: true,
  progress: true,
  resume: true,
  onWarning: true,
};

/** A look at the held-out images. */
export interface CorrectionLook {
  /** Steps done. */
  readonly step: number;
  /** Mean distance by the objective. */
  readonly heldOut: number;
}

/** How far a correction is. */
export interface CorrectionProgress {
  readonly step: number;
  readonly steps: number;
  /** Running mean of the distance on the images that are trained on. */
  readonly loss: number;
  /** The last look, and the best one so far. */
  readonly heldOut: number;
  readonly best: number;
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
}

/** What a correction took, and what it is worth. */
export interface CorrectionReport {
  /** Whether there is one: `false` where nothing was better than the network as it is. */
  readonly found: boolean;
  /** Name of the objective, and the unit of its values. */
  readonly objective: string;
  readonly unit: string;
  /** On the held-out images without a correction. */
  readonly before: number;
  /** The lowest of all looks; the same as `before` where nothing was better. */
  readonly after: number;
  /** Steps after which that was. */
  readonly bestStep: number;
  readonly steps: number;
  /** Images to train on, and images that were held out. */
  readonly trainingImages: number;
  readonly heldOutImages: number;
  /** Numbers that may change. */
  readonly parameters: number;
  /** Time spent, interrupted runs together. */
  readonly seconds: number;
  readonly skipped: readonly SkippedImage[];
}

/** What a correction gives. */
export interface CorrectionOutcome extends CorrectionReport {
  /** `null` where nothing was better than the network as it is. */
  readonly correction: Correction | null;
  readonly looks: readonly CorrectionLook[];
}

/** An outcome without its parameters and its course. */
export function correctionReport(outcome: CorrectionOutcome): CorrectionReport {
  const { correction: _, looks: __, ...report } = outcome;
  return report;
}

/**
 * Trains a correction of a schedule on images: `correctSchedule` is one. Who is handed one need not
 * load what trains.
 */
export type ScheduleCorrector = (
  model: Model,
  schedule: Schedule,
  images: ImageSource,
  options: CorrectionOptions,
  onProgress: (progress: CorrectionProgress) => void,
) => Promise<CorrectionOutcome>;
