/**
 * Which images make up batch n: a function of seed and n alone, so that runs can be resumed at any
 * batch. Images that turned out undecodable are left out in order, and replaced by another where
 * shuffled. Repeated augmentation (Hoffer et al., 2020; DeiT's RASampler): several views of an
 * image follow each other, and an epoch still has as many places as the folder has images, so that
 * it goes through a part of them only.
 */

import { RandomGenerator } from './random.ts';

/** A place in a batch. */
export interface ImageSlot {
  /** Position in the folder. */
  readonly index: number;
  /** How often the folder was gone through before. */
  readonly epoch: number;
  /** Which of the image's views in this epoch, default 0. */
  readonly repetition?: number;
}

/** The order in which a folder of `count` images is gone through. */
export class ImageOrder {
  /** Batches in all; undefined where there is no end. */
  readonly steps: number | undefined;
  readonly #count: number;
  readonly #batchSize: number;
  readonly #random: RandomGenerator | undefined;
  readonly #repetitions: number;
  #latest: { epoch: number; permutation: Int32Array } | undefined;

  /**
   * @param seed of the shuffled epochs; without one, the folder's own order, once.
   * @param repetitions views of an image that follow each other where shuffled.
   */
  constructor(count: number, batchSize: number, seed?: number, repetitions = 1) {
    this.#count = count;
    this.#batchSize = batchSize;
    this.#random = seed === undefined ? undefined : new RandomGenerator(seed);
    this.#repetitions = seed === undefined ? 1 : repetitions;
    this.steps = seed === undefined ? Math.ceil(count / batchSize) : undefined;
  }

  /**
   * The images of batch `step`, without those in `skipped`. The result does not depend on how many
   * undecodable images were known before, as long as those that fail are added and the batch is
   * asked for again.
   */
  slots(step: number, skipped: ReadonlySet<number> | ReadonlyMap<number, unknown>): ImageSlot[] {
    const slots: ImageSlot[] = [];
    for (let position = step * this.#batchSize; position < (step + 1) * this.#batchSize; position++) {
      const epoch = Math.floor(position / this.#count);
      if (epoch > 0 && !this.#random) break;
      const place = position % this.#count;
      const repetition = place % this.#repetitions;
      const index = this.#indexAt(epoch, (place - repetition) / this.#repetitions, skipped);
      if (index !== undefined) slots.push({ index, epoch, ...(repetition > 0 && { repetition }) });
    }
    return slots;
  }

  #indexAt(epoch: number, position: number, skipped: { has(index: number): boolean }): number | undefined {
    if (!this.#random) return skipped.has(position) ? undefined : position;
    if (this.#latest?.epoch !== epoch) {
      this.#latest = { epoch, permutation: this.#random.fork('order', epoch).permutation(this.#count) };
    }
    const { permutation } = this.#latest;
    const index = permutation[position] ?? 0;
    if (!skipped.has(index)) return index;
    // From half an epoch further on, so that a batch does not hold the substitute's own place, too.
    const start = position + Math.floor(this.#count / 2);
    for (let distance = 0; distance < this.#count; distance++) {
      const substitute = permutation[(start + distance) % this.#count] ?? 0;
      if (!skipped.has(substitute)) return substitute;
    }
    return undefined;
  }
}
