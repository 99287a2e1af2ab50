/** What a comparison of methods is asked for, what it says meanwhile, and what it gives. */
import type { ImageFolder } from '../data/image-folder.ts';
import type { Network } from '../loading/network-session.ts';
import type { Metrics } from '../evaluation/metrics.ts';
import type { MethodText } from '../reduction/methods/method-text.ts';
import type { ScheduleTarget } from '../reduction/validate-schedule.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import type { Ranking } from './random-ranking.ts';
import type { ScheduleSource } from './schedule-source.ts';

/** What to compare. */
export interface ComparisonOptions extends SessionOptions {
  readonly model: Network;
  /** What schedules and methods for that network must fit. */
  readonly target: ScheduleTarget;
  /** Images that all are evaluated on. */
  readonly folder: ImageFolder;
  /** Shares of the uncompressed network's FLOPs, below 1. */
  readonly budgets: readonly number[];
  /** Methods without the parameter that sets their cost. */
  readonly methods: readonly MethodText[];
  /** Where DiffRate's schedules come from. */
  readonly schedules: ScheduleSource;
  readonly random?: RandomSchedulesRequest;
  /** Rounds of a throughput measurement; 5 by default. */
  readonly rounds?: number;
  /**
   * Path of the file that a comparison which was stopped continues from. One that is done leaves it behind, so that nothing is lost before
   * its results are in files: remove it then (`removeCheckpoint`).
   */
  readonly checkpoint?: string;
  readonly resume: boolean;
  /** What else must be the same for that, in words: weights, images, seeds. */
  readonly identity: string;
  /** Fail at the first image that cannot be decoded instead of leaving it out. */
  readonly strict?: boolean;
  /** Called once for each image that is left out. */
  readonly onWarning?: (message: string) => void;
  /** Called after each step of any phase. */
  readonly onProgress?: (progress: ComparisonProgress) => void;
}

/** Random schedules to place DiffRate's among. */
export interface RandomSchedulesRequest {
  readonly count: number;
  /** Shares of the uncompressed network's FLOPs. */
  readonly budgets: readonly number[];
  /** Images of the sample. */
  readonly images: number;
  readonly seed: number;
}

/** How far a comparison is. */
export interface ComparisonProgress {
  /** What it does, in a word or two. */
  readonly phase: 'finding parameters' | 'searching' | 'evaluating' | 'timing' | 'random schedules';
  readonly budget: number;
  /** The method, or methods. */
  readonly subject: string;
  /** Steps of that phase. */
  readonly done: number;
  readonly of: number;
  /** Of that phase, where it is known. */
  readonly secondsLeft?: number;
}

/** A method at a budget. */
export type ComparisonCell = MeasuredCell | MissingCell;

interface Cell {
  /** Method as it was asked for: `tome`, `tome:proportional=false`. */
  readonly asked: string;
  /** Share of the uncompressed network's FLOPs. */
  readonly budget: number;
}

/** What was measured. */
export interface MeasuredCell extends Cell, Metrics {
  readonly kind: 'measured';
  /** The method with all its parameters. */
  readonly method: string;
  /** By the paper's count, in 10⁹ multiply-accumulates; of a ragged method the mean over the images. */
  readonly gflops: number;
  /** How many tokens are left differs per image; time does not fall with them. */
  readonly ragged: boolean;
  /** At batch 16, in turns with the plain network. */
  readonly imagesPerSecond: number;
  /** Over those of the plain network in the same turns. */
  readonly speedup: number;
  /** FLOPs that the plain network really computes over those that this one does. */
  readonly flopsRatio: number;
}

/** Why there is nothing. */
export interface MissingCell extends Cell {
  readonly kind: 'missing';
  /** In words: `out of reach: at least 0.412 GFLOPs`. */
  readonly reason: string;
}

/** The uncompressed network on the same images. */
export interface BaselineResult extends Metrics {
  readonly gflops: number;
}

/** Random schedules at one budget. */
export interface BudgetRanking extends Ranking {
  /** Share of the uncompressed network's FLOPs. */
  readonly budget: number;
}

/** What a comparison finds. */
export interface Comparison {
  readonly model: string;
  /** Images that could be decoded. */
  readonly images: number;
  readonly baseline: BaselineResult;
  /** Budget by budget, in the order of the methods. */
  readonly cells: readonly ComparisonCell[];
  readonly rankings: readonly BudgetRanking[];
}
