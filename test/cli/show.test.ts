/**
 * `diffrate show` and the report of `diffrate compress`, from outside: pictures, counts, page, exit
 * codes and sentences.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeIdx } from '../../src/data/idx-file.ts';
import type { ShowReport } from '../../src/cli/commands/show.ts';
import { imageName, writeRandomImages } from '../evaluation/random-images.ts';
import { smallConfiguration, writeSmallModelFolder } from '../evaluation/small-network.ts';
import { jsonOf } from './expectations.ts';
import { buildIfStale, runProgram } from './program.ts';
import type { ProgramResult } from './program.ts';

const schedule = { model: 'small', inputSize: 32, pruneKept: [17, 14, 10, 6], mergeKept: [17, 12, 8, 3] };

let directory = '';
const run = (...args: string[]): Promise<ProgramResult> => runProgram(args, directory);
const inDirectory = (...names: string[]): string => join(directory, ...names);

beforeAll(async () => {
  buildIfStale();
  directory = mkdtempSync(join(tmpdir(), 'diffrate-show-'));
  await writeSmallModelFolder(inDirectory('small'));
  await writeRandomImages(inDirectory('images'), 4, [0, 1, 2, 3]);
  writeFileSync(inDirectory('schedule.json'), JSON.stringify(schedule));
}, 180_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** One sentence on standard error and nothing else. */
function expectFailure(result: ProgramResult, code: number, sentence: RegExp): void {
  expect(result.stderr).toMatch(sentence);
  expect(
    result.stderr
      .trim()
      .split('\n')
      .filter((line) => line.startsWith('error: ')),
  ).toHaveLength(1);
  expect(result.stderr).not.toMatch(/^\s+at |something went wrong inside/m);
  expect(result).toMatchObject({ code, stdout: '' });
}

describe('diffrate show', () => {
  const images = [`images/${imageName(0)}`, `images/${imageName(1)}`];

  it('names its folder after the network where none is given', async () => {
    const { code } = await run('show', 'small', ...images, '--schedule', 'schedule.json');
    expect(code).toBe(0);
    expect(existsSync(inDirectory('small-tokens/tokens.html'))).toBe(true);
  });

  it('writes pictures and a page, and prints a table', async () => {
    const { code, stdout, stderr } = await run(
      'show',
      'small',
      ...images,
      '--schedule',
      'schedule.json',
      '--out',
      'new/shown',
    );
    expect(stderr).not.toMatch(/^(error|warning)/m);
    expect(code).toBe(0);
    const rows = stdout.split('\n').filter((line) => /^ *\d+ +\d/.test(line));
    expect(rows.map((row) => row.trim().split(/ +/).slice(0, 2))).toEqual([
      ['1', '17'],
      ['2', '12'],
      ['3', '8'],
      ['4', '3'],
    ]);
    const files = ['000', '001'].flatMap((stem) => [
      `${stem}-block-1.png`,
      `${stem}-block-4.png`,
      `${stem}-tokens.png`,
    ]);
    expect(readdirSync(inDirectory('new/shown')).sort()).toEqual([...files, 'tokens.html']);
    for (const file of files) {
      const { format, width, height } = await sharp(inDirectory('new/shown', file)).metadata();
      expect([format, width, height]).toEqual(['png', file.includes('tokens') ? 3 * 448 + 2 * 12 : 448, 448]);
    }
    const page = readFileSync(inDirectory('new/shown/tokens.html'), 'utf8');
    expect(page.match(/<img\s/g)).toHaveLength(6);
    expect(page).toContain('diffrate show small images/000.png');
    expect(readdirSync(inDirectory('new'))).toEqual(['shown']);
  });

  it('prints one object, draws the blocks that are named, and takes some images of a folder', async () => {
    const args = [
      'show',
      'small',
      'images',
      '--schedule',
      'schedule.json',
      '--blocks',
      '3,2',
      '--limit',
      '3',
      '--json',
    ];
    const report = jsonOf<ShowReport>(await run(...args, '--out', 'json'));
    expect(report).toMatchObject({ model: 'small', schedule: 'schedule.json', out: 'json', blocks: [2, 3] });
    expect(report.images).toHaveLength(3);
    for (const { pictures, blocks } of report.images) {
      expect(pictures).toHaveLength(3);
      for (const picture of pictures) expect(existsSync(inDirectory('json', picture))).toBe(true);
      expect(blocks.map(({ block, tokens }) => [block, tokens])).toEqual([
        [1, 17],
        [2, 12],
        [3, 8],
        [4, 3],
      ]);
      for (const { tokens, untouched, mergedTokens, mergedPatches, prunedPatches } of blocks) {
        expect(untouched + mergedTokens + 1).toBe(tokens);
        expect(untouched + mergedPatches + prunedPatches).toBe(16);
      }
    }
  });

  it('shows what a method does, image by image, in place of the folder’s schedule', async () => {
    cpSync(inDirectory('small'), inDirectory('scheduled'), { recursive: true });
    writeFileSync(inDirectory('scheduled', 'schedule.json'), JSON.stringify(schedule));
    const show = async (method: string, out: string): Promise<ShowReport> =>
      jsonOf(await run('show', 'scheduled', 'images', '--method', method, '--out', out, '--json'));
    const tokensOf = ({ images: all }: ShowReport): number[][] =>
      all.map(({ blocks }) => blocks.map(({ tokens }) => tokens));
    const merging = await show('tome:r=3', 'merged');
    expect(merging).toMatchObject({ schedule: null, method: 'tome:r=3', blocks: [1, 4] });
    expect(tokensOf(merging)).toEqual(Array.from({ length: 4 }, () => [14, 11, 8, 5]));
    for (const { blocks } of merging.images)
      expect(blocks.map(({ prunedPatches, mergedPatches }) => [prunedPatches, mergedPatches > 0])).toEqual(
        Array.from({ length: 4 }, () => [0, true]),
      );
    const page = readFileSync(inDirectory('merged/tokens.html'), 'utf8');
    expect(page).toContain('ToMe (arXiv 2210.09461), tome:r=3');
    expect(page).not.toContain('Kept numbers of the schedule');
    const ragged = await show('ats:tokens=8', 'sampled');
    expect(new Set(tokensOf(ragged).map((numbers) => numbers.join())).size).toBeGreaterThan(1);
    for (const { blocks } of ragged.images)
      for (const { tokens, untouched, mergedTokens, prunedPatches } of blocks)
        expect([untouched, mergedTokens, untouched + prunedPatches]).toEqual([tokens - 1, 0, 16]);
    const text = await run('show', 'scheduled', ...images, '--method', 'ats:tokens=8', '--out', 'text');
    expect(text.stdout).toMatch(/^small, ats:tokens=8, mean of 2 images|^scheduled, ats:tokens=8, mean of 2 images/);
  });

  it('draws no block after which only the class token is left, unless it is named, and says so', async () => {
    const last = { ...schedule, pruneKept: [17, 14, 10, 1], mergeKept: [17, 12, 8, 1] };
    writeFileSync(inDirectory('last.json'), JSON.stringify(last));
    const shown = await run('show', 'small', images[0] ?? '', '--schedule', 'last.json', '--out', 'last');
    expect(shown.code).toBe(0);
    expect(readdirSync(inDirectory('last')).sort()).toEqual([
      '000-block-1.png',
      '000-block-3.png',
      '000-tokens.png',
      'tokens.html',
    ]);
    const sentence = 'After block 4 only the class token is left, so there is nothing to show of it.';
    expect(readFileSync(inDirectory('last/tokens.html'), 'utf8')).toContain(sentence);
    const named = await run(
      'show',
      'small',
      images[0] ?? '',
      '--schedule',
      'last.json',
      '--out',
      'all',
      '--blocks',
      '4',
    );
    expect(named.code).toBe(0);
    const page = readFileSync(inDirectory('all/tokens.html'), 'utf8');
    expect(page).toContain('after block 4: only the class token is left');
    expect(page).not.toContain(sentence);
  });

  it('takes an IDX file, and leaves out what cannot be decoded in a folder but not what was named', async () => {
    const data = Uint8Array.from({ length: 2 * 28 * 28 }, (_, index) => (index * 31) % 256);
    writeFileSync(inDirectory('grey-images-idx3-ubyte'), encodeIdx({ dimensions: [2, 28, 28], data }));
    const grey = await run('show', 'small', 'grey-images-idx3-ubyte', '--schedule', 'schedule.json', '--out', 'grey');
    expect(grey.code).toBe(0);
    expect(readdirSync(inDirectory('grey'))).toContain('grey-images-idx3-ubyte-1-tokens.png');
    cpSync(inDirectory('images', imageName(2)), inDirectory('mixed', 'good.png'));
    writeFileSync(inDirectory('mixed', 'bad.png'), 'no image');
    const folder = await run('show', 'small', 'mixed', '--schedule', 'schedule.json', '--out', 'mixed-shown');
    expect(folder.code).toBe(0);
    expect(folder.stderr).toMatch(/^warning: .*bad\.png/m);
    expect(readdirSync(inDirectory('mixed-shown'))).not.toContain('bad-tokens.png');
    const named = await run('show', 'small', 'mixed/bad.png', '--schedule', 'schedule.json', '--out', 'bad-shown');
    expectFailure(named, 1, /bad\.png/);
    expect(existsSync(inDirectory('bad-shown'))).toBe(false);
  });

  it.each([
    [['show', 'small', ...images, '--out', 'x'], /Without a schedule every token is kept: give --schedule/],
    [['show', 'small', ...images, '--method', 'toem', '--out', 'x'], /no method "toem".*tome/],
    [
      ['show', 'small', ...images, '--method', 'tome', '--schedule', 'schedule.json', '--out', 'x'],
      /exclude each other/,
    ],
    [['show', 'small', '--schedule', 'schedule.json', '--out', 'x'], /needs IMAGE\.\.\./],
    [
      ['show', 'small', ...images, '--schedule', 'schedule.json', '--out', 'x', '--blocks', '5'],
      /no block 5 in small: its blocks are 1 to 4/,
    ],
    [
      ['show', 'small', ...images, '--schedule', 'schedule.json', '--out', 'x', '--blocks', 'all'],
      /--blocks must be whole/,
    ],
  ])('answers %j with one sentence and exit code 2', async (args, sentence) => {
    expectFailure(await run(...args), 2, sentence);
    expect(existsSync(inDirectory('x'))).toBe(false);
  });

  it.each([
    [['absent.png'], 'x', /There is no image absent\.png/],
    [images, 'schedule.json', /schedule\.json is a file where a folder is to be written/],
    [images, 'schedule.json/below', /schedule\.json\/below cannot be written/],
  ])('shows %j in %s: one sentence and exit code 1', async (shown, out, sentence) => {
    expectFailure(await run('show', 'small', ...shown, '--schedule', 'schedule.json', '--out', out), 1, sentence);
  });
});

describe('the report of diffrate compress', () => {
  const compress = (...more: string[]): Promise<ProgramResult> =>
    run('compress', 'small', '--data', 'images', '--ratio', '0.7', '--steps', '4', '--batch', '2', '--json', ...more);

  it('is in the model folder, tells of the search, and shows images', async () => {
    expect(jsonOf(await compress('--out', 'made'))).toMatchObject({ report: join('made', 'report.html') });
    const page = readFileSync(inDirectory('made/report.html'), 'utf8');
    for (const id of ['headline', 'tokens', 'flops', 'speed', 'accuracy', 'search', 'pictures', 'provenance'])
      expect(page).toContain(`<section id="${id}"`);
    expect(page).toContain('4 images of images (searched on)');
    expect(page.match(/<img\s/g)?.length).toBeGreaterThanOrEqual(4 * 3);
  });

  it('does not stay from an earlier compression, and is not written where none is wanted', async () => {
    await compress('--out', 'bare');
    expect(existsSync(inDirectory('bare/report.html'))).toBe(true);
    expect(jsonOf(await compress('--out', 'bare', '--no-report'))).toMatchObject({ report: null });
    expect(readdirSync(inDirectory('bare')).sort()).toEqual([
      'README.md',
      'config.json',
      'onnx',
      'preprocessor_config.json',
      'schedule.json',
    ]);
  });

  it('costs a warning where it cannot be written, and nothing else', async () => {
    mkdirSync(inDirectory('blocked/report.html/in the way'), { recursive: true });
    const { code, stdout, stderr } = await compress('--out', 'blocked');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ report: null, out: 'blocked' });
    const warnings = stderr.match(/^warning: .*$/gm) ?? [];
    expect(warnings.filter((warning) => !warning.includes('to search on'))).toEqual([
      expect.stringMatching(
        /^warning: The model folder blocked is complete but has no report: .*report\.html cannot be written/,
      ),
    ]);
    for (const file of ['onnx/model.onnx', 'config.json', 'schedule.json', 'README.md'])
      expect(existsSync(inDirectory('blocked', file))).toBe(true);
    expect(readdirSync(inDirectory('blocked')).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('belongs to a folder whose tokens are shown with the weights that it was made from', async () => {
    const out = await run('show', 'made', 'images', '--out', 'x');
    expectFailure(
      out,
      1,
      /made holds an ONNX model, .* name the model that it was made from, with --schedule made\/schedule\.json/,
    );
    const again = await run(
      'show',
      'small',
      'images',
      '--schedule',
      'made/schedule.json',
      '--out',
      'again',
      '--limit',
      '1',
    );
    expect(again.code).toBe(0);
    expect(again.stdout.split('\n').filter((line) => /^ *\d+ +\d/.test(line))).toHaveLength(smallConfiguration.depth);
  });
});
