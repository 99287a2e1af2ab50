/**
 * Searches that a measurement needs: one that is done is not repeated, one that was stopped goes
 * on, and what each took is kept beside it.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { progressFile } from '../src/files/progress-file.ts';
import type { ProgressStore } from '../src/files/progress-store.ts';

/** What a search took. */
export interface SearchTime {
  readonly seconds: number;
  /** Of the processor, all threads. */
  readonly processorSeconds: number;
  /** Whether it went on from a checkpoint, so that this is not the whole time. */
  readonly continued: boolean;
}

/**
 * Runs a search unless it is done.
 * @param out file or folder that the search writes; its time is beside it in `OUT.time`.
 * @param search gets where its progress is kept.
 */
export async function keptSearch(out: string, search: (progress: ProgressStore) => Promise<void>): Promise<SearchTime> {
  const record = `${out}.time`;
  if (existsSync(record)) return JSON.parse(await readFile(record, 'utf8')) as SearchTime;
  await mkdir(dirname(out), { recursive: true });
  const checkpoint = `${out}.checkpoint`;
  const continued = existsSync(checkpoint);
  const progress = progressFile(checkpoint);
  const start = performance.now();
  const before = process.cpuUsage();
  await search(progress);
  const { user, system } = process.cpuUsage(before);
  const time = { seconds: (performance.now() - start) / 1000, processorSeconds: (user + system) / 1e6, continued };
  await writeFile(record, JSON.stringify(time));
  await progress.remove();
  return time;
}

/** In words. */
export function formatSearchTime({ seconds, processorSeconds, continued }: SearchTime): string {
  const since = continued ? ' since it was continued' : '';
  return `${seconds.toFixed(0)} s, ${processorSeconds.toFixed(0)} s of all cores together${since}`;
}
