/**
 * The learning rate over a run: a linear warm-up, then a cosine (timm's `CosineLRScheduler`,
 * changed in every step).
 */
import { cosine } from '../search/cosine.ts';

/** The course of a learning rate. */
export interface LearningRateCourse {
  /** Reached at the end of the warm-up. */
  readonly peak: number;
  /** At the last step. */
  readonly final: number;
  readonly warmUpSteps: number;
  readonly steps: number;
}

/** The learning rate of step `step`, from 0. */
export function learningRateAt(step: number, { peak, final, warmUpSteps, steps }: LearningRateCourse): number {
  if (step < warmUpSteps) return (peak * (step + 1)) / (warmUpSteps + 1);
  return cosine(peak, final, (step - warmUpSteps) / Math.max(1, steps - 1 - warmUpSteps));
}
