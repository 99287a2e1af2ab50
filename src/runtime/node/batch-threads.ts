/**
 * How the processor's cores are used for a batch: how many copies of a model run shares of it side
 * by side, and on how many threads each.
 */
import { availableCores } from '../../threads/available-cores.ts';
import type { SessionOptions } from '../runtime.ts';

/** Copies of a model, and threads of each. */
export interface BatchThreads {
  readonly copies: number;
  readonly threads: number;
}

/**
 * With fewer images than this, reading the weights once more costs more than threads lose that
 * share every operator.
 */
const leastImagesPerCopy = 4;

/**
 * The least share of the threads that copies must keep busy: sharing images wins less than more
 * idle ones lose.
 */
const leastBusy = 0.9;

/**
 * What all copies of a model may weigh together, in bytes: the matrix products of large networks
 * keep threads busy without copies.
 */
const mostBytes = 2 ** 28;

/**
 * How to share out a batch, or `undefined` where one copy of the model does better: few images, one
 * core, a number of cores that copies do not divide, a large model, another device than the
 * processor, or a profile that is to show every node once. Of the numbers of copies that may be,
 * the largest of those that keep most threads busy.
 * @param modelBytes size of the encoded model
 */
export function batchThreads(options: SessionOptions, modelBytes: number): BatchThreads | undefined {
  const { batch = 1, device = 'cpu', profilePrefix, threads = availableCores() } = options;
  if (device !== 'cpu' || profilePrefix !== undefined) return undefined;
  const most = Math.min(threads, Math.floor(batch / leastImagesPerCopy), Math.floor(mostBytes / modelBytes));
  let best: BatchThreads | undefined;
  for (let copies = 2; copies <= most; copies++) {
    const each = Math.floor(threads / copies);
    if (copies * each >= (best === undefined ? leastBusy * threads : best.copies * best.threads))
      best = { copies, threads: each };
  }
  return best;
}
