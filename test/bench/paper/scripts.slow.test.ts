/**
 * `npm run paper -- NAME` from outside, on a small network: every script runs to its end and adds
 * its section.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { baselineFlops, countFlops } from '../../../src/cost/flops.ts';
import { openImageFolder } from '../../../src/data/open-image-folder.ts';
import { evaluateModel } from '../../../src/evaluation/evaluate.ts';
import { writeRandomImages } from '../../evaluation/random-images.ts';
import { smallNetwork, writeSmallModelFolder } from '../../evaluation/small-network.ts';

const schedule = { model: 'small', inputSize: 32, pruneKept: [17, 14, 10, 6], mergeKept: [17, 12, 8, 3] };
const { network } = smallNetwork();
const imageCount = 6;

let directory = '';
const inDirectory = (...names: string[]): string => join(directory, ...names);

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(...words: string[]): Promise<Run> {
  const program = ['node_modules/tsx/dist/cli.mjs', 'bench/paper/main.ts', ...words];
  return new Promise((resolve) => {
    execFile(process.execPath, program, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stdout, stderr }),
    );
  });
}

/**
 * A script on the small network: the rows of the section that it added, and the whole results file.
 */
async function section(
  name: string,
  ...words: string[]
): Promise<{ readonly rows: string[][]; readonly text: string }> {
  const results = inDirectory(`${name}.md`);
  const folders = ['--data', inDirectory('images'), '--eval-data', inDirectory('images'), '--results', results];
  const model = ['--model', inDirectory('small'), '--schedule', inDirectory('schedule.json')];
  const { code, stdout, stderr } = await run(name, ...model, ...folders, ...words);
  expect(stderr).not.toMatch(/^error/m);
  expect(code).toBe(0);
  const text = readFileSync(results, 'utf8');
  expect(text).not.toContain(directory);
  expect(stdout).toContain(`added to ${results}`);
  const table = text
    .slice(text.lastIndexOf('\n## '))
    .split('\n')
    .filter((line) => line.startsWith('| '));
  const rows = table.slice(1).map((line) =>
    line
      .slice(2, -2)
      .split(' | ')
      .map((cell) => cell.trim()),
  );
  for (const [first] of rows) expect(stdout).toContain(first);
  return { rows, text };
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-paper-'));
  await writeSmallModelFolder(inDirectory('small'));
  await writeSmallModelFolder(inDirectory('other'), 2);
  await writeRandomImages(
    inDirectory('images'),
    imageCount,
    Array.from({ length: imageCount }, (_, index) => index),
  );
  writeFileSync(inDirectory('schedule.json'), JSON.stringify(schedule));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('npm run paper', { timeout: 180_000 }, () => {
  it('table-4a: a row per metric, the first one what an evaluation of the schedule gives', async () => {
    const { rows, text } = await section('table-4a');
    expect(rows.map(([name]) => name)).toEqual([
      'class attention (default)',
      'image attention',
      'class attention × length of the value',
      'random, seed 0',
      'random, seed 1',
      'random, seed 2',
    ]);
    const folder = await openImageFolder(inDirectory('images'));
    const { gflops, kl, top1, agreement } = await evaluateModel(smallNetwork(), { images: folder, schedule });
    expect(rows[0]?.slice(1)).toEqual([
      'unknown',
      gflops?.toFixed(3),
      top1?.toFixed(2),
      agreement?.toFixed(2),
      kl?.toFixed(5),
    ]);
    expect(new Set(rows.map((row) => row.at(-1))).size).toBe(6);
    expect(text).toContain('    npm run paper -- table-4a --model small --schedule schedule.json --data images');
    expect(text).toMatch(/^\d{4}-\d\d-\d\d, \d+ cores of .*, Node \d+/m);
  });

  it('table-4b: a row per order', async () => {
    const { rows } = await section('table-4b', '--images', '4');
    expect(rows).toHaveLength(4);
    expect(new Set(rows.map((row) => row.at(-1))).size).toBe(4);
  });

  it('table-4c: searches on more and more images, which are not searched again', async () => {
    const words = ['--counts', '2,4,99', '--steps', '2', '--search-out', inDirectory('searched')];
    const { rows, text } = await section('table-4c', ...words);
    expect(rows.map(([name]) => name)).toEqual(['2 images', '4 images', 'published, schedule.json']);
    expect(text).toContain('Left out: 99 images, of which the folder has 6.');
    const files = readdirSync(inDirectory('searched'));
    expect(files.filter((file) => file.endsWith('.json'))).toHaveLength(2);
    const [file = ''] = files.filter((name) => name.includes('-2-images-'));
    const gflops = countFlops(network, schedule).total;
    const searched = JSON.parse(readFileSync(inDirectory('searched', file), 'utf8')) as typeof schedule;
    expect(countFlops(network, searched).total).toBeLessThanOrEqual(gflops * 1.001);
    // Another schedule in the file's place is what the next run evaluates.
    writeFileSync(inDirectory('searched', file), JSON.stringify(schedule));
    const again = await section('table-4c', ...words, '--resume');
    expect(again.rows[0]?.slice(1)).toEqual(again.rows[2]?.slice(1));
  });

  it('table-4d: measures the default search and extrapolates the paper’s', async () => {
    const { rows } = await section('table-4d', '--steps', '2', '--paper-steps', '1');
    expect(rows.map(([name, , , , how]) => [name, how])).toEqual([
      ['default search, 6 images', 'measured'],
      ['the paper’s recipe, 3 epochs of ImageNet', 'extrapolated from 1 steps'],
    ]);
  });

  it('figure-4: ranks among random schedules', async () => {
    const words = ['--random', '20', '--search', '--steps', '2', '--search-out', inDirectory('searched')];
    const { rows } = await section('figure-4', ...words);
    expect(rows).toHaveLength(6);
    for (const row of rows.slice(0, 2)) expect(row.at(-2)).toMatch(/^\d+ of 21$/);
    const kl = rows.slice(2).map((row) => Number(row[5]));
    expect(kl).toEqual([...kl].sort((a, b) => a - b));
  });

  it('figure-6: every schedule on both networks', async () => {
    const words = ['--other-model', inDirectory('other'), '--steps', '2', '--search-out', inDirectory('searched')];
    const { rows } = await section('figure-6', ...words);
    expect(rows.map(([name]) => name?.replace(/, on .*/, '')).slice(0, 4)).toEqual([
      'published for small',
      'uniform rate',
      'searched on small',
      'searched on other',
    ]);
    expect(rows).toHaveLength(8);
    const baseline = baselineFlops(network).total / 1e9;
    for (const row of rows) expect(Number(row[2])).toBeLessThan(baseline);
    const unsearched = await section('figure-6', ...words, '--no-search');
    expect(unsearched.rows.map((row) => row.slice(1))).toEqual(
      [rows[0], rows[1], rows[4], rows[5]].map((row) => row?.slice(1)),
    );
  });

  it('appendix-e: shares that add up', async () => {
    const { rows } = await section('appendix-e', '--batch', '2');
    const shares = rows.map((row) => Number.parseFloat(row[2] ?? ''));
    const [sort = 0, prune = 0, merge = 0, all = 0] = shares;
    expect(all).toBeGreaterThan(0);
    expect(sort + prune + merge).toBeLessThanOrEqual(all + 0.2);
  });

  it('lists its scripts, and answers bad input with one sentence', async () => {
    expect((await run()).stdout).toMatch(/table-4a .*figure-4 .*appendix-e/s);
    expect((await run('table-4c', '--help')).stdout).toMatch(/--counts/);
    const cases = [
      [['table-9'], 2, /There is no script table-9: name one of table-4a/],
      [['table-4a', '--images', 'x'], 2, /--images must be a whole number/],
      [['table-4a', '--model', inDirectory('small'), '--results', inDirectory('x.md')], 1, /--schedule FILE/],
    ] as const;
    for (const [words, code, sentence] of cases) {
      const result = await run(...words);
      expect(result).toMatchObject({ code, stdout: '' });
      expect(result.stderr).toMatch(sentence);
      expect(result.stderr.trim().split('\n')).toHaveLength(1);
    }
    expect(existsSync(inDirectory('x.md'))).toBe(false);
  });
});
