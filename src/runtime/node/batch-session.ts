/**
 * A model whose runs are shared out over threads by images: every thread runs the whole model on
 * its share. Threads that share every operator wait for each other at each of them, and all of them
 * for operators that only one can do; sorting, matching and merging tokens are many such small
 * ones. Each copy holds the weights, so this is for models that are small beside the memory
 * (`batch-threads.ts`).
 */
import { DiffrateError } from '../../errors.ts';
import type { RuntimeTensor, Session } from '../runtime.ts';
import type { CopyOptions } from './batch-job.ts';
import { joinFirstAxis, shareSizes, sliceFirstAxis } from './batch-shares.ts';
import { CopyThreads } from './copy-threads.ts';
import { createSession } from './session.ts';

/**
 * Loads copies of a model, the first of them in the calling thread.
 * @param bytes the encoded model, without external data
 * @param options of each copy
 */
export async function loadBatchSession(bytes: Uint8Array, options: CopyOptions, copies: number): Promise<Session> {
  const threads = new CopyThreads(bytes, options, copies - 1);
  const [own, others] = await Promise.allSettled([createSession({ bytes }, options), threads.load()]);
  if (own.status === 'fulfilled' && others.status === 'fulfilled') return new BatchSession(own.value, threads);
  await threads.close();
  if (own.status === 'fulfilled') await own.value.dispose();
  throw own.status === 'rejected' ? own.reason : (others as PromiseRejectedResult).reason;
}

class BatchSession implements Session {
  readonly #own: Session;
  readonly #threads: CopyThreads;
  /** Runs take turns: threads have memory for one share each. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(own: Session, threads: CopyThreads) {
    this.#own = own;
    this.#threads = threads;
  }

  async run(
    feeds: Readonly<Record<string, RuntimeTensor>>,
    outputs?: readonly string[] | Readonly<Record<string, RuntimeTensor>>,
  ): Promise<Record<string, RuntimeTensor>> {
    if (outputs !== undefined && !isNames(outputs)) {
      throw new DiffrateError(
        'A run whose images are shared out over threads has memory of its own for its outputs: name them only, or load the model without "batch".',
      );
    }
    const images = imagesOf(feeds);
    const result = this.#last.then(() => this.#runShares(feeds, images, outputs));
    this.#last = result.catch(() => {});
    return result;
  }

  async #runShares(
    feeds: Readonly<Record<string, RuntimeTensor>>,
    images: number,
    outputs: readonly string[] | undefined,
  ): Promise<Record<string, RuntimeTensor>> {
    const [first = 0, ...rest] = shareSizes(images, this.#threads.size + 1);
    let start = first;
    // The others have their shares before this thread is busy with its own.
    const others = rest.map((size, index) => {
      const share = sliceFirstAxis(feeds, start, size);
      start += size;
      return this.#threads.run(index, share, outputs);
    });
    const parts = await Promise.allSettled([this.#own.run(sliceFirstAxis(feeds, 0, first), outputs), ...others]);
    // Only when all are done: the next run uses the memory of their shares.
    return joinFirstAxis(parts.map((part) => valueOf(part)));
  }

  async dispose(): Promise<void> {
    await this.#last;
    await Promise.all([this.#own.dispose(), this.#threads.close()]);
  }

  endProfiling(): void {
    this.#own.endProfiling();
  }
}

function valueOf<Value>(part: PromiseSettledResult<Value>): Value {
  if (part.status === 'rejected') throw part.reason;
  return part.value;
}

/** Images of a run: the first axis, which all feeds must have in common. */
function imagesOf(feeds: Readonly<Record<string, RuntimeTensor>>): number {
  const sizes = new Set(Object.values(feeds).map(({ shape }) => shape[0]));
  const [images] = sizes;
  if (sizes.size === 1 && images !== undefined && images > 0) return images;
  const shapes = Object.entries(feeds).map(([name, { shape }]) => `${name} [${shape.join(', ')}]`);
  throw new DiffrateError(
    `A run can be shared out over threads where all inputs have the batch as their first axis, not ${shapes.join(', ')}: load the model without "batch".`,
  );
}

const isNames = (outputs: readonly string[] | Readonly<Record<string, RuntimeTensor>>): outputs is readonly string[] =>
  Array.isArray(outputs);
