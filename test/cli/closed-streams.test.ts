/** What the program does where nobody takes what it prints: the work counts, not its progress. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSmallModelFolder } from '../evaluation/small-network.ts';
import { buildIfStale } from './program.ts';

let directory = '';
beforeAll(async () => {
  buildIfStale();
  directory = mkdtempSync(join(tmpdir(), 'diffrate-streams-'));
  await writeSmallModelFolder(join(directory, 'small'));
}, 180_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Runs a command whose streams are files, or pipes that are closed at once. */
function run(args: string[], streams: { stdout?: number; stderr?: number }): Promise<number | null> {
  const { stdout = 'pipe', stderr = 'pipe' } = streams;
  const child = spawn(process.execPath, [resolve('dist/cli/main.js'), ...args], {
    cwd: directory,
    stdio: ['ignore', stdout, stderr],
  });
  child.stdout?.destroy();
  child.stderr?.destroy();
  return new Promise((done, fail) => child.on('error', fail).on('exit', done));
}

const bench = ['bench', 'small', '--batch', '1', '--rounds', '2'];

describe('closed streams', () => {
  it('loses no work by progress or a result that cannot be written', async () => {
    const exporting = ['export', 'small', '--method', 'tome:r=2', '--out', 'exported'];
    const [measured, exported] = await Promise.all([run(bench, {}), run(exporting, {})]);
    expect([measured, exported]).toEqual([0, 0]);
    expect(existsSync(join(directory, 'exported', 'config.json'))).toBe(true);
  });

  it.skipIf(!existsSync('/dev/full'))('goes on where the disk of its log is full', async () => {
    const full = openSync('/dev/full', 'w');
    const nothing = openSync('/dev/null', 'w');
    expect(await run(bench, { stdout: nothing, stderr: full })).toBe(0);
    // The result itself is another thing.
    expect(await run(['flops', 'small'], { stdout: full })).toBe(1);
  });
});
