/**
 * Threads that are inside ONNX Runtime when a process exits would abort it. So whoever gives a
 * thread a job counts it, the thread counts it off when it is done, and an exiting process waits
 * until nothing is left.
 */

/** Longer than any run that somebody waits for; a thread that has died counts nothing off. */
const longestWaitMilliseconds = 10_000;

/** Jobs of threads: one number in memory that all threads see. */
export class BusyThreads {
  static readonly #all = new Set<BusyThreads>();
  /** To be handed to the threads. */
  readonly memory: SharedArrayBuffer;
  readonly #count: Int32Array;

  /** @param memory of the thread that counts the jobs; without it they are counted here. */
  constructor(memory = new SharedArrayBuffer(4)) {
    this.memory = memory;
    this.#count = new Int32Array(memory);
  }

  /** Counts a job. */
  begin(): void {
    Atomics.add(this.#count, 0, 1);
  }

  /** Counts a job off. */
  end(): void {
    Atomics.sub(this.#count, 0, 1);
    Atomics.notify(this.#count, 0);
  }

  /** Blocks this thread until no job is left. */
  wait(): void {
    const deadline = performance.now() + longestWaitMilliseconds;
    for (let jobs = Atomics.load(this.#count, 0); jobs > 0; jobs = Atomics.load(this.#count, 0)) {
      const left = deadline - performance.now();
      if (left <= 0 || Atomics.wait(this.#count, 0, jobs, left) === 'timed-out') return;
    }
  }

  /** Makes the process wait for these jobs when it exits, until `release`. */
  hold(): void {
    if (BusyThreads.#all.size === 0) process.once('exit', BusyThreads.#waitForAll);
    BusyThreads.#all.add(this);
  }

  /** The process need not wait any more. */
  release(): void {
    BusyThreads.#all.delete(this);
    if (BusyThreads.#all.size === 0) process.off('exit', BusyThreads.#waitForAll);
  }

  static readonly #waitForAll = (): void => {
    for (const threads of BusyThreads.#all) threads.wait();
  };
}
