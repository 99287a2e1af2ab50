/**
 * Who computes losses and gradients for a search. A search asks for them by number, and does not
 * know where they are computed: in this process (`local-evaluator.ts`), on threads or on other
 * machines. Both questions are pure: the same numbers give the same answer, whoever is asked and
 * whatever was asked before. Work is cut into fixed pieces, and sums are taken in the order of
 * pieces in float64.
 */
import type { SkippedImage } from '../data/batches.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { StepResult } from './gradient-step.ts';
import type { Looks } from './looks.ts';

/** Computes losses and gradients of schedules; dispose it. */
export interface Evaluator {
  /**
   * Loss and gradients of the masked network, mean over the images of one batch.
   * @param kept integers, per block of the span.
   * @param batch its number: which images it holds, and how they are flipped, follows from that and
   *   the seed.
   */
  gradient(kept: KeptNumbers, batch: number): Promise<StepResult>;
  /**
   * Brings the calibration images into memory, in an order of their own, with what each should
   * answer.
   * @param looks in how many parts a race runs them.
   * @param onBatch after each batch; may stop the search by throwing.
   */
  calibrate(looks: number, onBatch?: () => Promise<void>): Promise<Looks>;
  /**
   * Distance of each of these calibration images' answers from its target, under a schedule: those
   * of the look in their order.
   */
  losses(kept: KeptNumbers, look: number): Promise<Float64Array>;
  /** What is asked next is likely to begin like this schedule. It changes no answer. */
  lead(kept: KeptNumbers): void;
  /** Images that could not be decoded, as far as they were met. */
  readonly skipped: readonly SkippedImage[];
  /** Time in which it waited for images, in ms. */
  readonly waitingMilliseconds: number;
  /** Frees what it holds. */
  dispose(): Promise<void>;
}
