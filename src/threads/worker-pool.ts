/**
 * A few worker threads that take jobs in turn. A worker file calls `serveJobs` with a function from
 * job to result. Threads are started when first needed and do not keep the process alive while they
 * have nothing to do.
 */

import { parentPort, Worker } from 'node:worker_threads';
import { DiffrateError, messageOf } from '../errors.ts';

/** Something structured-cloneable whose buffers move instead of being copied. */
export interface Transferable<Result> {
  readonly result: Result;
  readonly transfer: readonly ArrayBuffer[];
}

interface Request<Job> {
  readonly job: Job;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

type Reply = { readonly result: unknown } | { readonly error: string };

/** Where the worker is and what it is started with. */
export interface WorkerPoolOptions {
  /**
   * The worker's file: `.js`, or `.ts` when running from sources (then tsx, a development
   * dependency, loads it).
   */
  readonly file: URL;
  /** The most threads to use. */
  readonly size: number;
  /** Given to every worker as `workerData`. */
  readonly workerData?: unknown;
  /** What a job that cannot be done any more fails with. */
  readonly sentences: WorkerPoolSentences;
}

/** Sentences of errors. */
export interface WorkerPoolSentences {
  readonly closed: string;
  /** @param reason why a thread is gone: an error, an exit code. */
  readonly stopped: (reason: string) => string;
}

/** A pool of threads running one worker file. */
export class WorkerPool<Job, Result> {
  readonly #options: WorkerPoolOptions;
  readonly #waiting: Request<Job>[] = [];
  readonly #idle: Worker[] = [];
  readonly #running = new Map<Worker, Request<Job>>();
  #failure: DiffrateError | undefined;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /**
   * Queues a job.
   * @throws DiffrateError if a worker stops before the job is done, or the pool was closed.
   */
  run(job: Job): Promise<Result> {
    return new Promise<unknown>((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
      this.#waiting.push({ job, resolve, reject });
      this.#assign();
    }) as Promise<Result>;
  }

  /** Stops all threads; jobs that are not done fail. */
  async close(): Promise<void> {
    await this.#stop(new DiffrateError(this.#options.sentences.closed));
  }

  #assign(): void {
    while (this.#waiting.length > 0) {
      const worker = this.#idle.pop() ?? this.#start();
      if (!worker) return;
      const request = this.#waiting.shift();
      if (!request) return;
      this.#running.set(worker, request);
      worker.ref();
      worker.postMessage(request.job, []);
    }
  }

  #start(): Worker | undefined {
    const { file, size, workerData } = this.#options;
    if (this.#running.size + this.#idle.length >= size) return undefined;
    const worker = new Worker(file, { workerData, execArgv: file.pathname.endsWith('.ts') ? sourceLoader() : [] });
    worker.on('message', (reply: Reply) => this.#finish(worker, reply));
    const stopped = (reason: string): void => {
      if (this.#failure) return;
      void this.#stop(new DiffrateError(this.#options.sentences.stopped(reason)));
    };
    worker.on('error', (error) => stopped(messageOf(error)));
    worker.on('exit', (code) => stopped(`exit code ${code}`));
    return worker;
  }

  #finish(worker: Worker, reply: Reply): void {
    const request = this.#running.get(worker);
    this.#running.delete(worker);
    if (this.#failure) return;
    worker.unref();
    this.#idle.push(worker);
    if ('error' in reply) request?.reject(new Error(reply.error));
    else request?.resolve(reply.result);
    this.#assign();
  }

  async #stop(error: DiffrateError): Promise<void> {
    this.#failure ??= error;
    const workers = [...this.#running.keys(), ...this.#idle.splice(0)];
    const requests = [...this.#running.values(), ...this.#waiting.splice(0)];
    this.#running.clear();
    for (const request of requests) request.reject(this.#failure);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/**
 * Node's arguments that let a thread load TypeScript: tsx's hooks, registered by its function,
 * because its `--import tsx` does nothing outside the main thread.
 */
function sourceLoader(): string[] {
  const script = `import { register } from '${import.meta.resolve('tsx/esm/api')}'; register();`;
  return ['--import', `data:text/javascript,${encodeURIComponent(script)}`];
}

/** To be called once in a worker file: answers jobs one after the other. */
export function serveJobs<Job, Result>(work: (job: Job) => Promise<Transferable<Result>>): void {
  const port = parentPort;
  if (!port) throw new Error('this file runs in a worker thread only');
  port.on('message', (job: Job) => {
    work(job).then(
      ({ result, transfer }) => port.postMessage({ result }, [...transfer]),
      (error: unknown) => port.postMessage({ error: messageOf(error) }),
    );
  });
}
