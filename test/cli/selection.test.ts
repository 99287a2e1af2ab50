/** `--selection` of the built program, where a schedule is given and where one is searched. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Schedule } from '../../src/reduction/schedule.ts';
import { dissimilarity } from '../../src/reduction/selection.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { writeSmallModelFolder } from '../evaluation/small-network.ts';
import { expectFailure, jsonOf } from './expectations.ts';
import { buildIfStale, runProgram } from './program.ts';
import type { ProgramResult } from './program.ts';

const schedule = { model: 'small', inputSize: 32, pruneKept: [17, 17, 10, 6], mergeKept: [17, 12, 8, 3] };
const selected = { ...schedule, merging: 'patches', selection: { rule: 'dissimilarity', power: 1 } };

let directory = '';
const run = (...args: string[]): Promise<ProgramResult> => runProgram(args, directory);
const files = ['--schedule', 'plain.json'];
const rule = ['--selection', 'dissimilarity'];
const evaluation = ['eval', 'small', '--data', 'images'];

beforeAll(async () => {
  buildIfStale();
  directory = mkdtempSync(join(tmpdir(), 'diffrate-selection-'));
  await writeSmallModelFolder(join(directory, 'small'));
  await writeRandomImages(join(directory, 'images'), 8);
  writeFileSync(join(directory, 'plain.json'), JSON.stringify(schedule));
  writeFileSync(join(directory, 'selected.json'), JSON.stringify(selected));
}, 180_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const scheduleIn = (file: string): Schedule => JSON.parse(readFileSync(join(directory, file), 'utf8')) as Schedule;

describe('--selection with a schedule', () => {
  it('is the rule of one that names none, as the method’s key is', async () => {
    const [plain, asked, byMethod] = await Promise.all([
      run(...evaluation, ...files, '--json').then(jsonOf),
      run(...evaluation, ...files, ...rule, '--json').then(jsonOf),
      run(...evaluation, '--method', 'diffrate:schedule=plain.json,selection=dissimilarity', '--json').then(jsonOf),
    ]);
    expect(plain).toMatchObject({ selection: 'class-attention' });
    expect(asked).toMatchObject({ selection: 'dissimilarity', gflops: plain['gflops'] });
    expect(byMethod).toMatchObject({ selection: null, kl: asked['kl'] });
    expect(asked['kl']).not.toBe(plain['kl']);
  });

  it('leaves one that names a rule as it is, and says so', async () => {
    const result = await run(...evaluation, '--schedule', 'selected.json', ...rule, '--json');
    expect(result.stderr).toMatch(
      /^warning: selected\.json selects tokens by its own rule, dissimilarity:power=1, which it keeps in place of dissimilarity\.$/m,
    );
    expect(jsonOf(result)).toMatchObject({ selection: 'dissimilarity:power=1' });
  });

  it('is exported: in the schedule, the card and the report', async () => {
    const more = ['--selection', 'dissimilarity:power=1,norm=0.5', '--out', 'exported', '--json'];
    expect(jsonOf(await run('export', 'small', ...files, ...more))).toMatchObject({
      selection: 'dissimilarity:power=1,norm=0.5',
    });
    expect(scheduleIn('exported/schedule.json')).toMatchObject({
      selection: { ...dissimilarity, power: 1, norm: 0.5 },
      merging: 'patches',
    });
    expect(readFileSync(join(directory, 'exported/README.md'), 'utf8')).toMatch(
      /Tokens are selected by the class token’s attention and their dissimilarity/,
    );
  });

  it('counts, times and shows by the rule', async () => {
    const [counted, plain, timed, shown] = await Promise.all([
      run('flops', 'small', ...files, ...rule, '--json').then(jsonOf),
      run('flops', 'small', ...files, '--json').then(jsonOf),
      run('bench', 'small', ...files, ...rule, '--batch', '2', '--rounds', '1', '--json').then(jsonOf),
      run('show', 'small', 'images', '--limit', '1', ...files, ...rule, '--out', 'pictures', '--json').then(jsonOf),
    ]);
    expect(counted['gflops']).toBe(plain['gflops']);
    expect(counted['realGflops']).not.toBe(plain['realGflops']);
    for (const report of [counted, timed, shown]) expect(report).toMatchObject({ selection: 'dissimilarity' });
    expect((await run('flops', 'small', ...files, ...rule)).stdout).toMatch(
      /^Tokens are selected by the class token’s attention and their dissimilarity/m,
    );
  });
});

describe('--selection with a search', () => {
  const search = (...more: string[]): string[] => [
    'search',
    'small',
    '--data',
    'images',
    '--ratio',
    '0.7',
    '--batch',
    '4',
    '--steps',
    '3',
    ...more,
  ];

  it('is the rule of the schedule that is found; by default the preset’s', async () => {
    const [asked, own] = await Promise.all([
      run(...search('--selection', 'class-attention', '--out', 'a.json', '--json')).then(jsonOf),
      run(...search('--out', 'b.json', '--json')).then(jsonOf),
    ]);
    expect(scheduleIn('a.json').selection).toBeUndefined();
    expect(asked['selection']).toBeUndefined();
    expect(own['selection']).toEqual(scheduleIn('b.json').selection);
    expect(scheduleIn('b.json').selection).toEqual(dissimilarity);
  });

  it('is that of compress, whose card and report say it', async () => {
    const args = [
      'compress',
      'small',
      '--data',
      'images',
      '--ratio',
      '0.7',
      '--batch',
      '4',
      '--steps',
      '3',
      '--out',
      'c',
    ];
    const report = jsonOf(await run(...args, '--selection', 'dissimilarity:power=0', '--json'));
    expect(report['schedule']).toMatchObject({ selection: { ...dissimilarity, power: 0 } });
    for (const file of ['c/README.md', 'c/report.html']) {
      expect(readFileSync(join(directory, file), 'utf8')).toMatch(/\(<?(code>)?`?dissimilarity:power=0/);
    }
  });
});

describe('--selection', () => {
  it.each([
    [
      [...evaluation, ...files, '--selection', 'disimilarity'],
      2,
      /no rule "disimilarity": did you mean dissimilarity\?$/m,
    ],
    [
      ['flops', 'small', ...files, '--selection', 'dissimilarity:powr=1'],
      2,
      /no number "powr" .*: did you mean power\?$/m,
    ],
    [['bench', 'small', ...files, '--selection', 'dissimilarity:power=99'], 2, /needs power from 0 to 8, not 99\.$/m],
    [[...evaluation, ...rule], 2, /--selection is a rule for a schedule: give --schedule/],
    [['flops', 'small', '--method', 'tome', ...rule], 2, /--selection is for schedules, not for --method/],
    [['search', 'small', '--data', 'images', '--ratio', '0.7', '--out', 'x', '--selection', 'x'], 2, /has no rule "x"/],
    [['compress', 'small', '--data', 'images', '--out', 'x', '--selection', 'x'], 2, /has no rule "x"/],
    [['compare', 'small', '--data', 'images', '--out', 'x', '--selection', 'x'], 2, /has no rule "x"/],
  ] as const)('answers %j with exit code %d and one sentence', async (args, code, sentence) => {
    expectFailure(await run(...args), code, sentence);
  });
});
