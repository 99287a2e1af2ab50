/** What an evaluation is asked for, what it says meanwhile, and what it gives. */
import type { SkippedImage } from '../data/batches.ts';
import type { DecodedImages } from '../data/decoded-images.ts';
import type { ImageInput } from '../data/open-images.ts';
import type { OptionNames } from '../options/known-options.ts';
import type { Model } from '../networks/model.ts';
import type { Parameters } from '../nn/parameters.ts';
import type { Objective } from '../objectives/objective.ts';
import type { OnnxFile } from '../onnx/onnx-file.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import type { Runtime, SessionOptions } from '../runtime/runtime.ts';
import type { Metrics } from './metrics.ts';

/**
 * One way to run the network: by a schedule, by any other reducer, or (with neither) uncompressed.
 */
export interface Variant {
  /** Kept numbers, for DiffRate. They must fit the network: see `validateSchedule`. */
  readonly schedule?: KeptNumbers | undefined;
  /** Name or file of the schedule, for the result. */
  readonly scheduleName?: string | undefined;
  /** A method with its parameters, in place of a schedule. */
  readonly reducer?: TokenReducer | undefined;
  /** Weights in place of the model's: those of a correction. */
  readonly parameters?: Parameters | undefined;
  /**
   * The network as a file, which runs in place of the graph that would be built. The schedule or
   * the reducer says what is fixed in it; it cannot be a ragged one.
   */
  readonly file?: OnnxFile | undefined;
  /**
   * FLOPs of that method by the paper's count, in 10⁹ multiply-accumulates, where they are known;
   * of a ragged one they are measured.
   */
  readonly gflops?: number | undefined;
}

/** How to evaluate. */
export interface EvaluationOptions extends SessionOptions {
  /** A folder's path, files, images in memory, or a source. */
  readonly images: ImageInput;
  /**
   * Network whose answers these are compared with, all its tokens kept; by default the evaluated
   * one itself.
   */
  readonly reference?: Model | undefined;
  /** What "the same answers" means; by default what fits the network's answers. */
  readonly objective?: Objective | undefined;
  /** Where images may be decoded already, and are kept for those that want them next. */
  readonly decoded?: DecodedImages | undefined;
  /** Where networks run; by default ONNX Runtime for Node. */
  readonly runtime?: Runtime | undefined;
  /** Images per batch, default 16. */
  readonly batchSize?: number | undefined;
  /** Fail at the first image that cannot be decoded instead of leaving it out. */
  readonly strict?: boolean | undefined;
  /** Called once for each image that is left out. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Called after each batch. */
  readonly onProgress?: ((progress: EvaluationProgress) => void) | undefined;
  /** Called with every batch of answers `[B, D]`, for measures of one's own. */
  readonly onAnswers?: ((batch: VariantAnswers) => void) | undefined;
}

/** Names of the options of one variant's evaluation. */
export const evaluationOptionNames: OptionNames<EvaluationOptions & Variant> = {
  images: true,
  schedule: true,
  scheduleName: true,
  reducer: true,
  parameters: true,
  file: true,
  gflops: true,
  reference: true,
  objective: true,
  batchSize: true,
  strict: true,
  device: true,
  threads: true,
  runtime: true,
  decoded: true,
  onWarning: true,
  onProgress: true,
  onAnswers: true,
  batch: true,
  returnsMemory: true,
  profilePrefix: true,
};

/** Answers of one variant on one batch. */
export interface VariantAnswers {
  /** Position in the list of variants. */
  readonly variant: number;
  /** Positions in the source's images, `[B]`. */
  readonly indices: Int32Array;
  /** `[B, D]`: the logits of a classifier, the features of an encoder. */
  readonly answers: Float32Array;
}

/** How far an evaluation is. */
export interface EvaluationProgress {
  readonly images: number;
  /** Images in all. */
  readonly of: number;
  /** Images per second so far, decoding and every network included. */
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
}

/** What an evaluation finds; see `Metrics` for units. */
export interface EvaluationResult extends Metrics {
  readonly model: string;
  /** Name of the method (`uncompressed`, `diffrate`, …). */
  readonly method: string;
  /** Name or file of the schedule; `null` without one. */
  readonly schedule: string | null;
  readonly skipped: readonly SkippedImage[];
  /**
   * FLOPs by the paper's count, in 10⁹ multiply-accumulates, of a ragged method the mean over
   * images; `null` where they are not known.
   */
  readonly gflops: number | null;
  /**
   * Images per second of this network alone: decoding takes place in other threads and does not
   * count.
   */
  readonly imagesPerSecond: number;
}

/** How to evaluate variants of which some may fail. */
export interface EachEvaluationOptions extends EvaluationOptions {
  /**
   * Called for a variant that cannot be loaded or run, or whose answers are no finite numbers. What
   * it throws ends the evaluation; otherwise that variant is left out.
   */
  readonly onFailure: (variant: number, error: unknown) => void;
}
