/**
 * An optimizer step's images in parts that go through a graph at once; their gradients are added
 * up.
 */

/** How a step is divided. */
export interface MicroBatches {
  /** Images per step. */
  readonly batchSize: number;
  readonly microBatches: number;
  readonly microBatchSize: number;
}

/**
 * As many images per step as were asked for, in parts of one size: where they cannot be, as few
 * more as it takes.
 * @param most images in a part.
 */
export function microBatchesOf(asked: number, most: number): MicroBatches {
  const microBatches = Math.ceil(asked / most);
  const microBatchSize = Math.ceil(asked / microBatches);
  return { microBatches, microBatchSize, batchSize: microBatches * microBatchSize };
}
