/** `--correct` from outside: `search` and `compress` train, `eval`, `export` and `bench` use it. */
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { writeSmallModelFolder } from '../evaluation/small-network.ts';
import { expectFailure, jsonOf } from './expectations.ts';
import { buildIfStale, runProgram, startProgram } from './program.ts';
import type { ProgramResult } from './program.ts';

let directory = '';
const run = (...args: string[]): Promise<ProgramResult> => runProgram(args, directory);
const inside = (...path: string[]): string => join(directory, ...path);

const search = (out: string, ...more: string[]): string[] =>
  `search small --data images --ratio 0.5 --batch 4 --steps 2 --threads 1 --seed 1 --out ${out}`
    .split(' ')
    .concat(more);

beforeAll(async () => {
  buildIfStale();
  directory = mkdtempSync(join(tmpdir(), 'diffrate-correct-'));
  await writeSmallModelFolder(inside('small'));
  await writeSmallModelFolder(inside('other'), 2);
  await writeRandomImages(inside('images'), 24);
}, 180_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('diffrate search --correct', () => {
  it('writes a correction beside the schedule, which other commands use', { timeout: 120_000 }, async () => {
    const found = jsonOf(await run(...search('found/schedule.json', '--correct', '--correct-steps', '20', '--json')));
    expect(readdirSync(inside('found')).sort()).toEqual(['correction.safetensors', 'schedule.json']);
    const { before, after, heldOutImages } = found['correction'] as Record<string, number>;
    expect(after).toBeLessThan(before as number);
    expect(heldOutImages).toBe(4);

    const evaluate = (...more: string[]): Promise<ProgramResult> =>
      run(
        'eval',
        'small',
        '--data',
        'images',
        '--schedule',
        'found/schedule.json',
        '--threads',
        '1',
        '--json',
        ...more,
      );
    const [own, without] = (await Promise.all([evaluate(), evaluate('--no-correct')])).map((result) =>
      jsonOf(result),
    ) as [Record<string, unknown>, Record<string, unknown>];
    expect(own['correction']).toBe(join('found', 'correction.safetensors'));
    expect(without['correction']).toBeNull();
    expect(own['kl']).not.toBe(without['kl']);

    jsonOf(await run('export', 'small', '--schedule', 'found/schedule.json', '--out', 'out', '--json'));
    expect(readFileSync(inside('out', 'correction.safetensors'))).toEqual(
      readFileSync(inside('found', 'correction.safetensors')),
    );
    expect(readFileSync(inside('out', 'README.md'), 'utf8')).toContain('See `correction.safetensors`.');
    const again = jsonOf(
      await run('eval', 'small', '--data', 'images', '--schedule', 'out/schedule.json', '--threads', '1', '--json'),
    );
    expect(again['kl']).toBe(own['kl']);

    const bench = 'bench small --schedule found/schedule.json --rounds 1 --batch 1 --threads 1 --json';
    const timed = jsonOf(await run(...bench.split(' ')));
    expect(timed['correction']).toBe(own['correction']);
  });

  it('refuses a correction that does not belong, and one that is damaged', { timeout: 120_000 }, async () => {
    const path = inside('found', 'correction.safetensors');
    const expectRefusal = (result: ProgramResult, sentence: RegExp): void => {
      expectFailure(result, 1, sentence);
      expect(result.stderr).toContain('make one with diffrate search … --correct, or leave it out with --no-correct');
    };
    const evaluate = (model: string, schedule = 'found/schedule.json', ...more: string[]): Promise<ProgramResult> =>
      run('eval', model, '--data', 'images', '--schedule', schedule, '--threads', '1', ...more);
    expectRefusal(await evaluate('other'), /a correction of other weights than those of other/);
    expect((await evaluate('other', 'found/schedule.json', '--no-correct')).code).toBe(0);
    const second = { model: 'small', inputSize: 32, pruneKept: [17, 12, 8, 5], mergeKept: [14, 9, 5, 3] };
    writeFileSync(inside('found', 'second.json'), JSON.stringify(second));
    expectRefusal(await evaluate('small', 'found/second.json'), /a correction for another schedule/);
    copyFileSync(path, inside('kept'));
    writeFileSync(path, readFileSync(path).subarray(0, 500));
    for (const command of ['eval', 'export', 'bench'] as const) {
      const rest = { eval: ['--data', 'images'], export: ['--out', 'none'], bench: [] }[command];
      expectRefusal(
        await run(command, 'small', '--schedule', 'found/schedule.json', ...rest),
        /not a sound safetensors file/,
      );
    }
    expect(existsSync(inside('none'))).toBe(false);
    copyFileSync(inside('kept'), path);
  });

  it('that was stopped goes on to the same correction', { timeout: 120_000 }, async () => {
    const steps = ['--correct', '--correct-steps', '40'];
    expect((await run(...search('whole/schedule.json', ...steps))).code).toBe(0);
    const { child, done } = startProgram(search('stopped/schedule.json', ...steps), directory);
    await new Promise<void>((begun) =>
      child.stderr?.on('data', (text: string) => /correction, step \d+ of/.test(text) && begun()),
    );
    child.kill('SIGINT');
    const { code, stderr } = await done;
    expect(code, stderr).toBe(1);
    expect(stderr).toContain('continue it with --resume');
    expect(readdirSync(inside('stopped'))).toContain('schedule.json.correction.checkpoint');
    const asked = await run(...search('stopped/schedule.json', ...steps));
    expect(asked.stderr).toContain('--resume');
    expect((await run(...search('stopped/schedule.json', ...steps, '--resume'))).code).toBe(0);
    expect(readdirSync(inside('stopped')).sort()).toEqual(['correction.safetensors', 'schedule.json']);
    const file = (folder: string): Buffer => readFileSync(inside(folder, 'correction.safetensors'));
    expect(file('stopped')).toEqual(file('whole'));
  });

  it('is refused where it cannot be', async () => {
    expectFailure(await run(...search('x.json', '--correct-steps', '3')), 2, /--correct-steps is for --correct/);
    const front = 'search small --data images --front 0.9:0.5:2 --out front --correct'.split(' ');
    expectFailure(await run(...front), 2, /--correct is for one schedule/);
    expectFailure(
      await run('compress', 'small', '--correct', '--out', 'x'),
      2,
      /--correct trains on images: give --data DIR/,
    );
    const few = search('x.json', '--correct', '--limit', '9');
    expectFailure(await run(...few), 1, /9 different images, and a correction needs at least 10/);
    expect(existsSync(inside('x.json'))).toBe(false);
  });
});

describe('diffrate compress --correct', () => {
  it('folds a correction into the folder, and says what it is worth', { timeout: 120_000 }, async () => {
    const args = 'compress small --data images --ratio 0.5 --batch 4 --steps 2 --threads 1 --seed 1 --dtype q8'.split(
      ' ',
    );
    const report = jsonOf(await run(...args, '--out', 'corrected', '--correct', '--correct-steps', '20', '--json'));
    expect((report['correction'] as { found: boolean }).found).toBe(true);
    expect(readdirSync(inside('corrected'))).toContain('correction.safetensors');
    expect(readdirSync(directory).filter((name) => name.includes('checkpoint'))).toEqual([]);
    expect(readFileSync(inside('corrected', 'report.html'), 'utf8')).toContain('scales and biases trained in');
    // Without a file in fp32 the figures are of the corrected network in memory.
    const evaluated = report['evaluation'] as { after: { kl: number } };
    const own = jsonOf(
      await run(
        'eval',
        'small',
        '--data',
        'images',
        '--schedule',
        'corrected/schedule.json',
        '--threads',
        '1',
        '--json',
      ),
    );
    expect(own['kl']).toBeCloseTo(evaluated.after.kl, 6);
    const plain = jsonOf(
      await run(
        'eval',
        'small',
        '--data',
        'images',
        '--schedule',
        'corrected/schedule.json',
        '--no-correct',
        '--threads',
        '1',
        '--json',
      ),
    );
    expect(plain['kl']).not.toBeCloseTo(evaluated.after.kl, 6);
    expect(readFileSync(inside('corrected', 'README.md'), 'utf8')).toContain('but for a correction');
  });
});
