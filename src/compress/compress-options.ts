/** What a compression is asked for, what it says meanwhile, and what it gives. */
import type { CorrectionProgress, CorrectionReport, ScheduleCorrector } from '../correction/correction-options.ts';
import type { CostTarget } from '../cost/cost.ts';
import type { ImageSource } from '../data/image-source.ts';
import type { ImageInput } from '../data/open-images.ts';
import type { EvaluationProgress } from '../evaluation/evaluation-options.ts';
import type { Measurements } from '../evaluation/measurements.ts';
import type { ImagePrediction } from '../evaluation/predictions.ts';
import type { ExportedFile } from '../exporting/export-model.ts';
import type { MeasuredPrecision } from '../exporting/measured-precision.ts';
import type { ExportDtype } from '../exporting/precision.ts';
import type { FileWriter } from '../files/staged-folder.ts';
import type { LoadedModel } from '../loading/model-from-files.ts';
import type { OptionNames } from '../options/known-options.ts';
import type { Schedule } from '../reduction/schedule.ts';
import type { SearchHistoryEntry, SearchOutcome, SearchProgress } from '../search/search-options.ts';
import type { NodeSearchOptions } from './search.ts';

/** Options that are those of the search, which it has defaults for. */
type PassedOn = Pick<
  NodeSearchOptions,
  | 'preset'
  | 'seed'
  | 'resume'
  | 'objective'
  | 'selection'
  | 'changes'
  | 'steps'
  | 'batchSize'
  | 'blockOverhead'
  | 'targets'
  | 'device'
  | 'threads'
  | 'runtime'
  | 'createEvaluator'
  | 'decoded'
  | 'strict'
  | 'onWarning'
>;

/** What to compress, and how. */
export interface CompressOptions extends PassedOn {
  /** A loaded model; or its registry name, hub id or folder, which `loadModel` takes. */
  readonly model: LoadedModel | string;
  /** Images to search on; without any the nearest published schedule is taken. */
  readonly images?: ImageInput | undefined;
  /** Images to evaluate on, by default those of the search. */
  readonly evaluationImages?: ImageInput | undefined;
  /** What to reach, in GFLOPs or as a share of the uncompressed network's; default 0.65 of it. */
  readonly target?: CostTarget | undefined;
  /**
   * Also trains scales and biases for the schedule, at no cost in FLOPs, on the images of the
   * search: `correctSchedule` of `diffrate/training`. By default nothing is trained.
   */
  readonly correct?: ScheduleCorrector | undefined;
  /**
   * The folder to write. One that is there must be diffrate's own, or have no files of a model
   * (config.json, README.md, onnx, …); other files in it stay. The search's checkpoint
   * lies beside it until all is done.
   */
  readonly directory: string;
  /** Precisions; the first one is what loads by default. Default: `fp32` alone. */
  readonly dtypes?: readonly ExportDtype[] | undefined;
  /** Stops the search after the running step, or the measuring after the running batch. */
  readonly signal?: AbortSignal | undefined;
  /** Writes one file of the folder; for tests of failures. */
  readonly write?: FileWriter | undefined;
}

/** Names of the options. */
export const compressOptionNames: OptionNames<CompressOptions> = {
  model: true,
  images: true,
  evaluationImages: true,
  target: true,
  correct: true,
  directory: true,
  dtypes: true,
  signal: true,
  write: true,
  preset: true,
  seed: true,
  resume: true,
  objective: true,
  selection: true,
  changes: true,
  steps: true,
  batchSize: true,
  blockOverhead: true,
  targets: true,
  device: true,
  threads: true,
  runtime: true,
  createEvaluator: true,
  decoded: true,
  strict: true,
  onWarning: true,
};

/** What to compress, opened. */
export interface OpenedCompression extends Omit<CompressOptions, 'model' | 'images' | 'evaluationImages'> {
  readonly model: LoadedModel;
  readonly images?: ImageSource | undefined;
  readonly evaluationImages?: ImageSource | undefined;
}

/** How far a compression is. */
export type CompressProgress =
  | ({ readonly stage: 'search' } & SearchProgress)
  | ({ readonly stage: 'correction' } & CorrectionProgress)
  | ({ readonly stage: 'evaluation' } & EvaluationProgress)
  /** Rounds in which every network runs once. */
  | { readonly stage: 'throughput'; readonly done: number; readonly of: number };

/** What a search gives besides its schedule and its course. */
export type SearchFigures = Omit<SearchOutcome, 'schedule' | 'history'>;

/**
 * What was written and what it is worth: everything that a report tells. Accuracy and throughput
 * are of the compressed network in fp32: of its file, or where none was asked for of the graph in
 * memory. The files have theirs in `precisions`.
 */
export interface CompressionResult extends Measurements {
  /** Name of the network. */
  readonly model: string;
  readonly directory: string;
  /** In 10⁹ multiply-accumulates by the paper's count. */
  readonly target: number;
  /** As written. */
  readonly schedule: Schedule;
  /** `null` where a published schedule was taken. */
  readonly search: SearchFigures | null;
  /** What the correction is worth; `null` where none was asked for. */
  readonly correction: CorrectionReport | null;
  /** The search's course; empty where a published schedule was taken. */
  readonly history: readonly SearchHistoryEntry[];
  readonly files: readonly ExportedFile[];
  /** In the order in which they were asked for. */
  readonly precisions: readonly MeasuredPrecision[];
  /**
   * What the uncompressed and the compressed network say of each image that was evaluated; `null`
   * without images, and where answers name no classes.
   */
  readonly predictions: readonly ImagePrediction[] | null;
}
