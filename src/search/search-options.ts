/** What a search is asked for, what it says meanwhile, and what it gives. */
import type { ImageFolder } from '../data/image-folder.ts';
import type { Network } from '../loading/network-session.ts';
import type { Schedule } from '../reduction/schedule.ts';
import type { Device } from '../runtime/runtime.ts';
import type { Preset } from './presets.ts';

/** Recipes: `small-data` takes some hundred images and a few minutes; `paper` is that of the DiffRate paper. */
export type PresetName = 'small-data' | 'paper';

/** What the network is compared with: the folder's labels, or its own uncompressed outputs. */
export type TargetKind = 'labels' | 'teacher';

/** The network whose schedule is searched; every loaded model is one. */
export type SearchedModel = Network;

/** How to search. */
export interface SearchOptions {
  readonly model: SearchedModel;
  readonly folder: ImageFolder;
  /** Cost to reach, by the paper's count in 10⁹ multiply-accumulates. */
  readonly targetGflops: number;
  readonly preset: PresetName;
  /** What differs from the preset's recipe, for studies of it. */
  readonly changes?: Partial<Preset>;
  /** Steps in place of the preset's. */
  readonly steps?: number;
  /** The same seed gives the same schedule on the same machine and device. */
  readonly seed: number;
  /** Images per step in place of the preset's. */
  readonly batchSize?: number;
  /** Targets in place of the preset's. */
  readonly targets?: TargetKind;
  readonly device?: Device;
  readonly threads?: number;
  /**
   * Path of the file that a search which was stopped continues from. A search that is done leaves it behind, so that nothing is lost before
   * its schedule is in a file: remove it then (`removeCheckpoint`).
   */
  readonly checkpoint?: string;
  /** Continue from that file. */
  readonly resume: boolean;
  /** Fail at the first image that cannot be decoded instead of leaving it out. */
  readonly strict?: boolean;
  /** Called once for each image that is left out, whatever phases of the search need it. */
  readonly onWarning?: (message: string) => void;
  /** Stops the search after the running step, with its checkpoint written. */
  readonly signal?: AbortSignal;
}

/** One step of the search's course, for reports. */
export interface SearchHistoryEntry {
  readonly phase: SearchPhase;
  readonly step: number;
  /** Running mean of the loss in nats; with a teacher the KL divergence to it. */
  readonly loss: number;
  readonly gflops: number;
}

/** First kept numbers follow their gradients, then moves of single numbers are tried. */
export type SearchPhase = 'gradients' | 'local search';

/** How far a search is. */
export interface SearchProgress {
  /** `gradients`: steps are optimizer steps. `local search`: steps are image passes. */
  readonly phase: SearchPhase;
  readonly step: number;
  readonly steps: number;
  /** Running mean of the loss in nats; with a teacher the KL divergence to it. */
  readonly loss: number;
  /** Cost of the present kept numbers, in 10⁹ multiply-accumulates. */
  readonly gflops: number;
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
}

/** What a search gives. */
export interface SearchOutcome {
  readonly schedule: Schedule;
  readonly history: readonly SearchHistoryEntry[];
  readonly steps: number;
  /** That the search took, in all processes where it was stopped and continued. */
  readonly seconds: number;
  /** Share of this process's time in which it waited for images, from 0 to 1. */
  readonly waitingShare: number;
  /** Largest resident memory of the process, in bytes. */
  readonly peakMemoryBytes: number;
  /** Images that could not be decoded, as far as they were met since the search was last continued. */
  readonly skipped: readonly { readonly file: string; readonly reason: string }[];
}
