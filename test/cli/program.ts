/**
 * The built program as a user runs it: `node dist/cli/main.js …`, built anew where sources are
 * newer.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import { isBuilt } from '../built.ts';

const main = resolve('dist/cli/main.js');

/** What a run of the program gave. */
export interface ProgramResult {
  /** What followed the program's name. */
  readonly args: readonly string[];
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Builds `dist` where it is older than the sources. */
export function buildIfStale(): void {
  if (isBuilt()) return;
  const { status, stdout } = spawnSync('npm', ['run', 'build'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm run build failed: ${stdout}`);
}

/** Starts the program. */
export function startProgram(
  args: readonly string[],
  directory: string,
): { child: ChildProcess; done: Promise<ProgramResult> } {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: directory,
    env: { ...process.env, HF_HUB_OFFLINE: '1' },
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const done = new Promise<ProgramResult>((finish, fail) => {
    child.on('error', fail);
    child.on('close', (code) => finish({ args, code, ...output }));
  });
  return { child, done };
}

/** Runs the program to its end. */
export function runProgram(args: readonly string[], directory: string): Promise<ProgramResult> {
  return startProgram(args, directory).done;
}
