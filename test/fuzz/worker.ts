/**
 * The process that runs targets, one job after the other. It writes the number of each run into a
 * file before it starts, so that the process that watches it knows which one hung or crashed.
 * Findings go out as messages.
 */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { openSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiffrateError } from '../../src/errors.ts';
import { damagedInput } from './damaged-input.ts';
import { isSentence } from './sentence.ts';
import type { FuzzTarget } from './target.ts';
import { fuzzTargets } from './targets/index.ts';

/** What to run. */
export interface FuzzJob {
  readonly target: string;
  readonly seed: number;
  /** First run, and the one after the last. */
  readonly first: number;
  readonly end: number;
  /** Where the number of the present run stands. */
  readonly stateFile: string;
}

/** What is told to the process that watches. */
export type FuzzMessage =
  | { readonly run: number; readonly reason: string }
  | { readonly done: true; readonly read: number };

/** Resident memory that a run may add to what the process had. */
const mostMemory = 512 * 2 ** 20;

/** How often the folders are looked at. */
const runsPerLook = 100;

const peak = (): number => process.resourceUsage().maxRSS * 1024;

/** Why a run is a finding; `undefined` where it is none. */
async function findingOf(target: FuzzTarget, bytes: Uint8Array, folder: string): Promise<string | undefined> {
  try {
    await target.run(bytes, folder);
    return undefined;
  } catch (error) {
    if (!(error instanceof Error)) return `threw ${String(error)}`;
    if (!(error instanceof DiffrateError))
      return `${error.name}: ${error.message} ${error.stack?.split('\n')[1] ?? ''}`;
    return isSentence(error.message) ? '' : `no sentence: ${JSON.stringify(error.message.slice(0, 400))}`;
  }
}

async function work({ target: name, seed, first, end, stateFile }: FuzzJob): Promise<void> {
  const target = fuzzTargets.find((candidate) => candidate.name === name);
  if (target === undefined) throw new Error(`there is no target ${name}`);
  const root = await mkdtemp(join(tmpdir(), 'diffrate-fuzz-'));
  const folder = join(root, 'folder');
  const state = openSync(stateFile, 'w');
  const send = (message: FuzzMessage): void => void process.send?.(message);
  try {
    await mkdir(folder);
    await target.prepare?.(folder);
    const sound = await target.seeds();
    for (const [index, bytes] of sound.entries()) {
      const finding = await findingOf(target, bytes, folder);
      if (finding !== undefined && finding !== '')
        send({ run: -1 - index, reason: `the sound file ${index}: ${finding}` });
    }
    let read = 0;
    let memory = peak();
    for (let run = first; run < end; run++) {
      writeSync(state, String(run).padEnd(12), 0);
      const finding = await findingOf(target, damagedInput(target, sound, seed, run), folder);
      if (finding === undefined) read += 1;
      else if (finding !== '') send({ run, reason: finding });
      const now = peak();
      if (now - memory > mostMemory) send({ run, reason: `took ${Math.round((now - memory) / 2 ** 20)} MiB` });
      memory = Math.max(memory, now);
      if (run % runsPerLook !== 0) continue;
      const outside = (await readdir(root)).filter((entry) => entry !== 'folder');
      if (outside.length > 0) send({ run, reason: `wrote ${outside.join(', ')} beside its folder` });
      for (const entry of outside) await rm(join(root, entry), { recursive: true });
    }
    send({ done: true, read });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

let last = Promise.resolve();
process.on('message', (job: FuzzJob) => {
  last = last
    .then(() => work(job))
    .catch((error: unknown) => {
      console.error(error);
      process.exit(1);
    });
});
