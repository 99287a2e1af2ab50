/**
 * What learns the kept numbers from the gradients of the search step: the published way or the
 * default one.
 */
import { DiffrateError } from '../../errors.ts';
import type { KeptNumbers } from '../../reduction/schedule.ts';
import type { StepResult } from '../../execution/gradient-step.ts';

/** State of a learner as JSON, for checkpoints. */
export type LearnerState = Readonly<Record<string, readonly number[] | number>>;

/**
 * A vector of a learner's state.
 * @param length that it must have; without it any.
 * @throws {DiffrateError} where the state has none of that name and length.
 */
export function vectorIn(state: LearnerState, name: string, length?: number): readonly number[] {
  const vector = state[name];
  if (Array.isArray(vector) && (length === undefined || vector.length === length)) return vector as readonly number[];
  throw new DiffrateError(
    `The search's checkpoint is damaged: what its learner has learnt ("${name}") does not fit the network; start again.`,
  );
}

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
  /** Further steps would do harm; `finish` gives the schedule from before they did. */
  readonly ended: boolean;
  /** The schedule that was learnt, as close to the target as integers get. */
  finish(): KeptNumbers;
  save(): LearnerState;
  restore(state: LearnerState): void;
}
