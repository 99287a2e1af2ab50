/** The pool of threads: results, failures of a job, and threads that stop. */

import { expect, test } from 'vitest';
import { WorkerPool } from '../../src/threads/worker-pool.ts';
import { DiffrateError } from '../../src/errors.ts';

const file = new URL('./crashing-worker.ts', import.meta.url);
const sentences = {
  closed: 'The pool was closed.',
  stopped: (reason: string): string => `A thread stopped (${reason}).`,
};

test('jobs are answered, each with its own result, and a failing job fails alone', async () => {
  const pool = new WorkerPool<string, string>({ file, size: 2, sentences });
  const jobs = ['one', 'two', 'fail', 'three', 'four'];
  const results = await Promise.allSettled(jobs.map((job) => pool.run(job)));
  expect(results.map((result) => (result.status === 'fulfilled' ? result.value : String(result.reason)))).toEqual([
    'did one',
    'did two',
    'Error: this job cannot be done',
    'did three',
    'did four',
  ]);
  await pool.close();
  await expect(pool.run('five')).rejects.toThrow(DiffrateError);
});

test.each([
  ['exit', /exit code 3/],
  ['crash', /something broke/],
])('a thread that stops (%s) fails its job, the waiting ones and all later ones', async (job, reason) => {
  const pool = new WorkerPool<string, string>({ file, size: 1, sentences });
  const results = await Promise.allSettled([pool.run(job), pool.run('waiting')]);
  for (const result of results) {
    expect(result.status).toBe('rejected');
    const error: unknown = result.status === 'rejected' ? result.reason : undefined;
    expect(error).toBeInstanceOf(DiffrateError);
    expect(String(error)).toMatch(reason);
  }
  await expect(pool.run('later')).rejects.toThrow(reason);
  await pool.close();
});

test('closing fails what is not done', async () => {
  const pool = new WorkerPool<string, string>({ file, size: 1, sentences });
  const unfinished = pool.run('one');
  const expected = expect(unfinished).rejects.toThrow('closed');
  await pool.close();
  await expected;
});
