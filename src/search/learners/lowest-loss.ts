/**
 * Which numbers had the lowest running loss. Gradients at a cut say what one token more is worth,
 * not what all of those that went before were worth together: in late blocks they can lead over an
 * edge, step by step, and never back.
 */

/** Weight of a step in the running loss. */
const lossWeight = 0.05;

/**
 * Where the running loss has risen to this multiple of the lowest, following gradients does harm:
 * a first schedule that is nearly lossless has gradients of noise, and steps of a fixed length.
 */
const harm = 1.5;

/** Steps before a running loss says anything. */
const settlingSteps = 10;

/** Remembers numbers of the best time so far. */
export class LowestLoss {
  readonly #leastSteps: number;
  #steps = 0;
  #running = 0;
  #lowest = Infinity;
  #values: readonly number[] = [];
  /** The lowest running loss since it says anything, whether it counts or not. */
  #floor = Infinity;

  /** @param leastSteps before a running loss counts. */
  constructor(leastSteps: number) {
    this.#leastSteps = leastSteps;
  }

  /**
   * One step.
   * @param loss of this step, in nats.
   * @param values numbers that belong to the running loss.
   */
  observe(loss: number, values: readonly number[]): void {
    this.#steps += 1;
    this.#running += (this.#steps === 1 ? 1 : lossWeight) * (loss - this.#running);
    if (this.#steps >= settlingSteps) this.#floor = Math.min(this.#floor, this.#running);
    if (this.#steps < this.#leastSteps || this.#running > this.#lowest) return;
    this.#lowest = this.#running;
    this.#values = [...values];
  }

  /** The running loss has risen so far that further steps would do harm. */
  get rises(): boolean {
    return this.#running > harm * this.#floor;
  }

  /** The numbers; `undefined` while no running loss counts. */
  get values(): readonly number[] | undefined {
    return this.#values.length === 0 ? undefined : this.#values;
  }

  /** Everything that the next step depends on. */
  save(): number[] {
    const lowest = this.#values.length === 0 ? 0 : this.#lowest;
    const floor = this.#floor === Infinity ? 0 : this.#floor;
    return [this.#steps, this.#running, floor, lowest, ...this.#values];
  }

  restore([steps = 0, running = 0, floor = 0, lowest = 0, ...values]: readonly number[]): void {
    this.#steps = steps;
    this.#running = running;
    this.#floor = steps < settlingSteps ? Infinity : floor;
    this.#lowest = values.length === 0 ? Infinity : lowest;
    this.#values = values;
  }
}
