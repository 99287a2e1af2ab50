/** Progress of long work in a file, which is written beside its place and renamed. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import type { ProgressStore } from './progress-store.ts';
import { writeWholeFile } from './whole-file.ts';

/** A store in a file; its folder is made where it is missing. */
export function progressFile(path: string): ProgressStore {
  return {
    name: path,
    read: () =>
      readFile(path, 'utf8').catch((error: unknown) => {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
        throw error;
      }),
    write: (text) => writeWholeFile(path, (beside) => writeFile(beside, text)),
    remove: () => rm(path, { force: true }),
  };
}
