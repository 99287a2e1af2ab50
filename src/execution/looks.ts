/**
 * Images in the parts, called looks, that they are run in: one after the other, and all of one size
 * but the last.
 */

/** Most images per run: more are no faster. */
const largestBatch = 16;

/** The parts of a number of images. */
export class Looks {
  readonly images: number;
  /** How many were wanted. */
  readonly wanted: number;
  /** In each look but the last. */
  readonly perLook: number;
  /** How many there are. */
  readonly count: number;
  /** Images per run: a look is so many whole runs, as far as it can be. */
  readonly batch: number;

  /** @param wanted looks; few images may be in fewer of them. */
  constructor(images: number, wanted: number) {
    this.images = images;
    this.wanted = wanted;
    this.perLook = Math.ceil(images / wanted);
    this.count = Math.ceil(images / this.perLook);
    this.batch = Math.ceil(this.perLook / Math.ceil(this.perLook / largestBatch));
  }

  /** Its first image, and the one after its last. */
  range(look: number): readonly [first: number, end: number] {
    return [look * this.perLook, Math.min(this.images, (look + 1) * this.perLook)];
  }

  /** The runs of a look: first images, and the ones after the last. */
  runs(look: number): (readonly [first: number, end: number])[] {
    const [start, end] = this.range(look);
    const count = Math.ceil((end - start) / this.batch);
    return Array.from({ length: count }, (_, run) => [
      start + run * this.batch,
      Math.min(end, start + (run + 1) * this.batch),
    ]);
  }

  /** All looks in their order from this one on, those before it after the last. */
  from(first: number): number[] {
    return Array.from({ length: this.count }, (_, index) => (first + index) % this.count);
  }

  /** Sum of the losses of a look's images. */
  sum(losses: Float64Array, look: number): number {
    return losses.subarray(...this.range(look)).reduce((sum, loss) => sum + loss, 0);
  }
}
