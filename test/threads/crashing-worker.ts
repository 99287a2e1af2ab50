/**
 * A worker for the pool's test: echoes, fails, throws outside of its job, or exits, as the job
 * says.
 */

import { serveJobs } from '../../src/threads/worker-pool.ts';

serveJobs(async (job: string) => {
  if (job === 'fail') throw new Error('this job cannot be done');
  if (job === 'exit') process.exit(3);
  if (job === 'crash') {
    setTimeout(() => {
      throw new Error('something broke');
    }, 0);
    await new Promise(() => {});
  }
  return { result: `did ${job}`, transfer: [] };
});
