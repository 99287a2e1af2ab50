/** What learns the kept numbers from the gradients of the search step: the published way or the default one. */
import type { KeptNumbers } from '../../reduction/schedule.ts';
import type { StepResult } from '../search-step.ts';

/** State of a learner as JSON, for checkpoints. */
export type LearnerState = Readonly<Record<string, readonly number[] | number>>;

/** Learns kept numbers step by step. */
export interface Learner {
  /** Integers to use in the next step, per block of the network. */
  kept(): KeptNumbers;
  /**
   * One step.
   * @param result mean loss and gradients of the step that used `kept()`.
   * @param progress share of the search that is done, 0…1.
   * @param epoch of the image folder, from 0.
   */
  update(result: StepResult, progress: number, epoch: number): void;
  /** The schedule that was learnt, as close to the target as integers get. */
  finish(): KeptNumbers;
  save(): LearnerState;
  restore(state: LearnerState): void;
}
