/** What a comparison of methods is asked for, and what it says meanwhile. */
import type { ProgressOptions } from '../search/checkpoint.ts';
import type { ImageSource } from '../data/image-source.ts';
import type { Model } from '../networks/model.ts';
import type { Objective } from '../objectives/objective.ts';
import type { MethodText } from '../reduction/methods/method-text.ts';
import type { NetworkShape } from '../reduction/network-shape.ts';
import type { Runtime, SessionOptions } from '../runtime/runtime.ts';
import type { ScheduleSource } from './schedule-source.ts';

/** What to compare. */
export interface ComparisonOptions extends SessionOptions, ProgressOptions {
  readonly model: Model;
  /** What schedules and methods for that network must fit. */
  readonly target: NetworkShape;
  /** What "the same answers" means; by default what is usual for such answers. */
  readonly objective?: Objective | undefined;
  /** Where networks run; by default ONNX Runtime for Node. */
  readonly runtime?: Runtime | undefined;
  /** Images that all are evaluated on. */
  readonly images: ImageSource;
  /** Shares of the uncompressed network's FLOPs, below 1. */
  readonly budgets: readonly number[];
  /** Methods without the parameter that sets their cost. */
  readonly methods: readonly MethodText[];
  /** Where DiffRate's schedules come from. */
  readonly schedules: ScheduleSource;
  readonly random?: RandomSchedulesRequest | undefined;
  /** Rounds of a throughput measurement; 5 by default. */
  readonly rounds?: number | undefined;
  /**
   * What must be the same to continue it, besides weights and images, in words: settings, seeds.
   */
  readonly identity: string;
  /** Fail at the first image that cannot be decoded instead of leaving it out. */
  readonly strict?: boolean | undefined;
  /** Called after each step of any phase. */
  readonly onProgress?: ((progress: ComparisonProgress) => void) | undefined;
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
