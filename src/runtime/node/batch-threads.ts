/** How the processor's cores are used for a batch: how many copies of a model run shares of it side by side, and on how many threads each. */
import { availableParallelism } from 'node:os';
import type { SessionOptions } from '../runtime.ts';

/** Copies of a model, and threads of each. */
export interface BatchThreads {
  readonly copies: number;
  readonly threads: number;
}

/** With fewer images than this, reading the weights once more costs more than threads lose that share every operator. */
const leastImagesPerCopy = 4;

/** What all copies of a model may weigh together, in bytes: the matrix products of large networks keep threads busy without copies. */
const mostBytes = 2 ** 28;

/**
 * How to share out a batch, or `undefined` where one copy of the model does better: few images, one core, a large model, another device
 * than the processor, or a profile that is to show every node once.
 * @param modelBytes size of the encoded model
 */
export function batchThreads(options: SessionOptions, modelBytes: number): BatchThreads | undefined {
  const { batch = 1, device = 'cpu', profilePrefix, threads = availableParallelism() } = options;
  if (device !== 'cpu' || profilePrefix !== undefined) return undefined;
  const copies = Math.min(threads, Math.floor(batch / leastImagesPerCopy), Math.floor(mostBytes / modelBytes));
  return copies < 2 ? undefined : { copies, threads: Math.floor(threads / copies) };
}
