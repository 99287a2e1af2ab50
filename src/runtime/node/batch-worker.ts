/** A thread of a `BatchSession`: holds a copy of the model and runs the shares that it is sent. */
import { workerData } from 'node:worker_threads';
import { serveJobs } from '../../threads/worker-pool.ts';
import type { BatchJob, BatchJobResult, BatchWorkerSettings } from './batch-job.ts';
import { TensorMemory } from './batch-shares.ts';
import { BusyThreads } from './busy-threads.ts';
import { createSession } from './session.ts';

const { model, options, busy } = workerData as BatchWorkerSettings;
const jobs = new BusyThreads(busy);
// ONNX Runtime reads no shared memory.
const loading = createSession({ bytes: new Uint8Array(model).slice() }, options);
// The first job tells of a failure.
loading.catch(() => {});
const memory = new TensorMemory('own');

serveJobs<BatchJob, BatchJobResult>(async ({ feeds, outputs }) => {
  try {
    const session = await loading;
    return { result: feeds === undefined ? {} : await session.run(memory.copy(feeds), outputs), transfer: [] };
  } finally {
    jobs.end();
  }
});
