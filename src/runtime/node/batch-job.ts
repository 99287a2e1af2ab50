/** What a `BatchSession` and its threads tell each other. */
import type { RuntimeTensor, SessionOptions } from '../runtime.ts';

/** What concerns a copy of the model. */
export type CopyOptions = Pick<SessionOptions, 'threads' | 'returnsMemory'>;

/** What a thread is started with. */
export interface BatchWorkerSettings {
  /** The encoded model, in memory that all threads read. */
  readonly model: SharedArrayBuffer;
  readonly options: CopyOptions;
  /** Of `BusyThreads`: every job is counted off. */
  readonly busy: SharedArrayBuffer;
}

/** A share of a run; without feeds it is only asked for the model to be loaded. */
export interface BatchJob {
  readonly feeds?: Readonly<Record<string, RuntimeTensor>>;
  readonly outputs?: readonly string[] | undefined;
}

/** Outputs by name. */
export type BatchJobResult = Readonly<Record<string, RuntimeTensor>>;
