/** The other threads of a `BatchSession`, each with a copy of the model. */
import { DiffrateError, messageOf } from '../../errors.ts';
import { WorkerPool } from '../../threads/worker-pool.ts';
import type { RuntimeTensor } from '../runtime.ts';
import type { BatchJob, BatchJobResult, BatchWorkerSettings, CopyOptions } from './batch-job.ts';
import { TensorMemory } from './batch-shares.ts';
import { BusyThreads } from './busy-threads.ts';

const sentences = {
  closed: 'The session was disposed of: load the model again to run it.',
  stopped: (reason: string): string =>
    `A thread that runs the model stopped (${reason}): try again with fewer threads.`,
};

/** Threads that hold a model and run shares of its batches. */
export class CopyThreads {
  readonly #pool: WorkerPool<BatchJob, BatchJobResult>;
  readonly #busy = new BusyThreads();
  /** Where they find their shares. */
  readonly #memories: readonly TensorMemory[];
  readonly #jobs = new Set<Promise<BatchJobResult>>();

  /**
   * @param bytes the encoded model, without external data
   * @param options of each copy
   */
  constructor(bytes: Uint8Array, options: CopyOptions, size: number) {
    const model = new SharedArrayBuffer(bytes.length);
    new Uint8Array(model).set(bytes);
    const workerData: BatchWorkerSettings = { model, options, busy: this.#busy.memory };
    // From sources the worker is a TypeScript file, in the published package a JavaScript one.
    const file = new URL(import.meta.url.endsWith('.ts') ? './batch-worker.ts' : './batch-worker.js', import.meta.url);
    this.#pool = new WorkerPool<BatchJob, BatchJobResult>({ file, size, workerData, sentences });
    this.#memories = Array.from({ length: size }, () => new TensorMemory('shared'));
    this.#busy.hold();
  }

  /** Number of threads. */
  get size(): number {
    return this.#memories.length;
  }

  /** Has every thread load the model: as many jobs as threads start them all. */
  async load(): Promise<void> {
    await Promise.all(this.#memories.map(() => this.#run({})));
  }

  /**
   * Runs a share in any thread.
   * @param index of the share; those that run at once have different ones
   * @throws {DiffrateError} with ONNX Runtime's own words where it fails, or where the thread is
   *   gone
   */
  run(
    index: number,
    feeds: Readonly<Record<string, RuntimeTensor>>,
    outputs: readonly string[] | undefined,
  ): Promise<BatchJobResult> {
    return this.#run({ feeds: this.#memories[index]?.copy(feeds) ?? feeds, outputs });
  }

  /** Ends the threads, after the jobs that they have. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#jobs);
    this.#busy.release();
    await this.#pool.close();
  }

  async #run(job: BatchJob): Promise<BatchJobResult> {
    this.#busy.begin();
    const running = this.#pool.run(job);
    this.#jobs.add(running);
    try {
      return await running;
    } catch (error) {
      if (!(error instanceof DiffrateError)) throw new DiffrateError(messageOf(error));
      // The threads are gone, and nobody counts their jobs off.
      this.#busy.release();
      throw error;
    } finally {
      this.#jobs.delete(running);
    }
  }
}
