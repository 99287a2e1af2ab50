/**
 * A process that runs targets, watched: a run that hangs is killed, one that brings its process
 * down is known by its number. Runs after such a one go on in a new process.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FuzzJob, FuzzMessage } from './worker.ts';

/** A run that takes longer hangs, in ms. */
export const longestRun = 5000;
/** The same fault again and again is one finding enough. */
export const mostFindings = 20;

/** Until the first run begins: the process starts and makes its sound files, in ms. */
const longestStart = 60_000;

/** What came of some runs. */
export interface FuzzPart {
  readonly findings: readonly { readonly run: number; readonly reason: string }[];
  readonly read: number;
  /** With which run to go on. */
  readonly next: number;
  /** The run that took too long. */
  readonly hung?: number;
}

/** Runs one job at a time; close it. */
export class FuzzProcess {
  #child: ChildProcess | undefined;
  #errors = '';

  /** Runs a part of a target's runs: all of them, or up to the first that ends the process. */
  async run(job: Omit<FuzzJob, 'stateFile'>): Promise<FuzzPart> {
    const folder = await mkdtemp(join(tmpdir(), 'diffrate-fuzz-state-'));
    const stateFile = join(folder, 'run');
    await writeFile(stateFile, '');
    try {
      return await this.#watched({ ...job, stateFile });
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  /** Ends the process. */
  close(): Promise<void> {
    return this.#kill();
  }

  async #watched(job: FuzzJob): Promise<FuzzPart> {
    const child = (this.#child ??= this.#start());
    const findings: { run: number; reason: string }[] = [];
    let hung = false;
    const ended = new Promise<{ read: number } | { code: number | string }>((settle) => {
      child.removeAllListeners('message').on('message', (message: FuzzMessage) => {
        if ('done' in message) settle({ read: message.read });
        else if (findings.push(message) >= mostFindings) child.kill('SIGKILL');
      });
      child.once('close', (status, signal) => settle({ code: status ?? signal ?? 'nothing' }));
    });
    child.send(job);
    const watch = watchRun(job.stateFile, () => {
      hung = true;
      child.kill('SIGKILL');
    });
    const end = await ended;
    watch.stop();
    if ('read' in end) return { findings, read: end.read, next: job.end };
    this.#child = undefined;
    const state = await readFile(job.stateFile, 'utf8');
    if (findings.length >= mostFindings) return { findings, read: 0, next: job.end };
    if (state.trim() === '')
      throw new Error(`The process for ${job.target} did not start (${end.code}): ${this.#errors}`);
    const run = Number(state);
    if (hung) return { findings, read: 0, next: run + 1, hung: run };
    const reason = `ended its process (${end.code}): ${this.#errors.slice(-300)}`;
    return { findings: [...findings, { run, reason }], read: 0, next: run + 1 };
  }

  #start(): ChildProcess {
    this.#errors = '';
    const child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), {
      execArgv: ['--import', 'tsx', '--max-old-space-size=512'],
      env: { ...process.env, OMP_NUM_THREADS: '1' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    child.stderr?.on('data', (text: Buffer) => (this.#errors = (this.#errors + text.toString()).slice(-2000)));
    return child;
  }

  async #kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    const closed = new Promise((settle) => child.once('close', settle));
    child.kill('SIGKILL');
    await closed;
  }
}

/** Calls back where the state file stays the same for too long. */
function watchRun(stateFile: string, onHang: () => void): { stop: () => void } {
  const timer = setInterval(() => {
    stat(stateFile).then(
      ({ mtimeMs, size }) => {
        if (Date.now() - mtimeMs > (size === 0 ? longestStart : longestRun)) onHang();
      },
      () => {},
    );
  }, 500);
  return { stop: () => clearInterval(timer) };
}
