/** What a search is asked for, what it says meanwhile, and what it gives. */
import type { Cost, CostTarget } from '../cost/cost.ts';
import type { DecodedImages } from '../data/decoded-images.ts';
import type { ImageSource } from '../data/image-source.ts';
import type { Evaluator } from '../execution/evaluator.ts';
import type { LocalEvaluatorOptions } from '../execution/local-evaluator.ts';
import type { TargetKind } from '../execution/soft-targets.ts';
import type { Model } from '../networks/model.ts';
import type { Objective } from '../objectives/objective.ts';
import type { Schedule } from '../reduction/schedule.ts';
import type { SelectionChoice } from '../reduction/selection-choice.ts';
import type { Device, Runtime } from '../runtime/runtime.ts';
import type { ProgressOptions } from './checkpoint.ts';
import type { Preset, PresetName } from './presets.ts';

/** How to search. */
export interface SearchOptions extends ProgressOptions {
  /** The network whose schedule is searched; every loaded model is one. */
  readonly model: Model;
  readonly images: ImageSource;
  /** What to reach: a cost in its unit, or a share of the uncompressed network's. */
  readonly target: CostTarget;
  /** What is spent; FLOPs by the paper's count by default. */
  readonly cost?: Cost | undefined;
  /** What "the same answers" means; by default what fits the network's answers. */
  readonly objective?: Objective | undefined;
  /** Default `small-data`. */
  readonly preset?: PresetName | undefined;
  /**
   * The rule by which tokens go in place of the preset's: `dissimilarity`, also with numbers
   * (`{ rule: 'dissimilarity', power: 1 }`), or `class-attention`, the paper's.
   */
  readonly selection?: SelectionChoice | undefined;
  /** What differs from the preset's recipe, for studies of it. */
  readonly changes?: Partial<Preset> | undefined;
  /** Steps in place of the preset's. */
  readonly steps?: number | undefined;
  /** Default 0. The same seed gives the same schedule on the same machine and device. */
  readonly seed?: number | undefined;
  /**
   * What choosing and merging takes in one block beside its tokens, as the GFLOPs for which the
   * network takes as long: blocks that remove few tokens are not worth it and remove none. Default
   * 0.0042; with 0 every block may remove some.
   */
  readonly blockOverhead?: number | undefined;
  /** Images per step in place of the preset's. */
  readonly batchSize?: number | undefined;
  /** Targets in place of the preset's. */
  readonly targets?: TargetKind | undefined;
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  /** Where graphs run. */
  readonly runtime: Runtime;
  /** Who computes losses and gradients, by default this process. */
  readonly createEvaluator?: ((options: LocalEvaluatorOptions) => Promise<Evaluator>) | undefined;
  /**
   * Decoded images of this process, which its phases share with others; by default they share their
   * own.
   */
  readonly decoded?: DecodedImages | undefined;
  /** Fail at the first image that cannot be decoded instead of leaving it out. */
  readonly strict?: boolean | undefined;
  /** Stops the search after the running step, with its progress kept. */
  readonly signal?: AbortSignal | undefined;
}

/** One step of the search's course, for reports. */
export interface SearchHistoryEntry {
  readonly phase: SearchPhase;
  readonly step: number;
  /** Running mean of the objective's loss; with a teacher the distance from it. */
  readonly loss: number;
  /** In the cost's unit. */
  readonly cost: number;
}

/** First kept numbers follow their gradients, then moves of single numbers are tried. */
export type SearchPhase = 'gradients' | 'local search';

/** How far a search is. */
export interface SearchProgress {
  /** `gradients`: steps are optimizer steps. `local search`: steps are image passes. */
  readonly phase: SearchPhase;
  readonly step: number;
  readonly steps: number;
  /** Running mean of the objective's loss; with a teacher the distance from it. */
  readonly loss: number;
  /** Of the present kept numbers, in `unit`. */
  readonly cost: number;
  readonly unit: string;
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
}

/** What a search gives. */
export interface SearchOutcome {
  readonly schedule: Schedule;
  readonly history: readonly SearchHistoryEntry[];
  /** Unit of the costs in the history. */
  readonly unit: string;
  readonly steps: number;
  /** What was reckoned for choosing and merging in one block, in GFLOPs; 0 where nothing was. */
  readonly blockOverhead: number;
  /** That the search took, in all processes where it was stopped and continued. */
  readonly seconds: number;
  /** Share of this process's time in which it waited for images, from 0 to 1. */
  readonly waitingShare: number;
  /**
   * Images that could not be decoded, as far as they were met since the search was last continued.
   */
  readonly skipped: readonly { readonly file: string; readonly reason: string }[];
}
