/** How many cores of the processor this process may use. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Reads a file's text; throws where there is none. */
export type TextReader = (path: string) => string;

/** Where a container finds its own processor quota, cgroup v2 and v1. */
const maxFile = '/sys/fs/cgroup/cpu.max';
const quotaFile = '/sys/fs/cgroup/cpu/cpu.cfs_quota_us';
const periodFile = '/sys/fs/cgroup/cpu/cpu.cfs_period_us';

let known: number | undefined;

/**
 * The cores that the operating system and the container's processor quota leave to this process, at
 * least 1. A quota of 2.5 cores counts as 2: a third thread would be stopped for half of the time,
 * and the others wait for it. The environment variable `OMP_NUM_THREADS` lowers it, as in other
 * numeric programs: for several processes on one machine. It is looked up once.
 */
export function availableCores(): number {
  known ??= Math.min(
    coresWithin(availableParallelism(), (path) => readFileSync(path, 'utf8')),
    threadsAsked(process.env['OMP_NUM_THREADS']),
  );
  return known;
}

/**
 * The number in an environment variable, or the first of a list (`4,2`: OpenMP's levels); Infinity
 * where it holds none of at least 1.
 */
export function threadsAsked(text: string | undefined): number {
  const threads = Number(text?.split(',')[0] ?? '');
  return Number.isInteger(threads) && threads >= 1 ? threads : Infinity;
}

/**
 * What is to be said of `OMP_NUM_THREADS`, a sentence; `undefined` where it is not set or says how
 * many.
 */
export function threadsRemark(text: string | undefined): string | undefined {
  if (text === undefined || text.trim() === '' || Number.isFinite(threadsAsked(text))) return undefined;
  return `OMP_NUM_THREADS is "${text}", which is no number of threads from 1: it is ignored, and every core is used.`;
}

/**
 * `cores`, or the whole cores of the quota that `read` finds, whichever is less, and at least 1.
 */
export function coresWithin(cores: number, read: TextReader): number {
  const quota = quotaInCores(read) ?? Infinity;
  return Math.max(1, Math.floor(Math.min(cores, quota)));
}

/**
 * The processor quota of a container in cores; `undefined` where there is none, or none that can be
 * read.
 */
function quotaInCores(read: TextReader): number | undefined {
  const textOf = (path: string): string | undefined => {
    try {
      return read(path).trim();
    } catch {
      return undefined;
    }
  };
  const max = textOf(maxFile);
  // Version 2 has both numbers in one file: `150000 100000`, or `max 100000` for none.
  const [quota, period] = max === undefined ? [textOf(quotaFile), textOf(periodFile)] : max.split(/\s+/);
  const share = Number(quota) / Number(period);
  // Version 1 says -1 for none.
  return Number.isFinite(share) && share > 0 ? share : undefined;
}
