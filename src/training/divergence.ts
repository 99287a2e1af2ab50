/**
 * Notices a run that goes wrong: a loss or gradient that is no finite number,
 * or a loss that stays far above the best running mean it has had.
 * While one is suspected no checkpoint is written, so that the last one is good.
 */
import { DiffrateError } from '../errors.ts';

/**
 * So far above the lowest running mean a loss is suspicious: twice as high, and by a nat at least.
 */
const factor = 2;
const margin = 1;

/** After so many suspicious steps in a row the run has diverged. */
const patience = 50;

/** Watches the loss of every step. */
export class DivergenceWatch {
  #lowest = Infinity;
  #suspicious = 0;

  /** Whether the last steps looked good. */
  get healthy(): boolean {
    return this.#suspicious === 0;
  }

  /**
   * Takes a step in, before its gradient is applied.
   * @param gradientNorm 0 where nobody needed to compute it.
   * @param mean running mean of the loss.
   * @param advice where the last good state is.
   * @throws {DiffrateError} with the step and what to do.
   */
  check(step: number, loss: number, gradientNorm: number, mean: number, advice: string): void {
    if (!Number.isFinite(loss)) throw notFinite('loss', step, advice);
    if (!Number.isFinite(gradientNorm)) throw notFinite('gradient', step, advice);
    this.#lowest = Math.min(this.#lowest, mean);
    this.#suspicious = loss > factor * this.#lowest + margin ? this.#suspicious + 1 : 0;
    if (this.#suspicious < patience) return;
    throw new DiffrateError(
      `The loss has been far above its best mean (${this.#lowest.toPrecision(3)}) for ${patience} steps, ${loss.toPrecision(3)} in step ${step}: the training diverges; train with a lower learning rate, a longer warm-up or clipNorm 1.${advice}`,
    );
  }

  /**
   * Looks at the weights that a step left, before they are written to a checkpoint.
   * @throws {DiffrateError} where their norm is no finite number.
   */
  checkWeights(step: number, norm: number, advice: string): void {
    if (!Number.isFinite(norm)) throw notFinite('gradient', step, advice);
  }

  /** State for a checkpoint, which is only written while `healthy`. */
  save(): number | null {
    return Number.isFinite(this.#lowest) ? this.#lowest : null;
  }

  /** Takes a checkpoint's state back. */
  restore(lowest: number | null): void {
    this.#lowest = lowest ?? Infinity;
    this.#suspicious = 0;
  }
}

const notFinite = (what: string, step: number, advice: string): DiffrateError =>
  new DiffrateError(
    `The ${what} of step ${step} is not a finite number: train with a lower learning rate, a longer warm-up or clipNorm 1.${advice}`,
  );
