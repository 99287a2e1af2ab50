/**
 * The built program from outside: what it prints, what it writes, its exit codes and its sentences.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compress } from '../../src/compress/compress.ts';
import type { CompressionResult } from '../../src/compress/compress-options.ts';
import { createImageLoader } from '../../src/data/batches.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import { MetricAccumulator } from '../../src/evaluation/metrics.ts';
import { NetworkSession } from '../../src/execution/network-session.ts';
import { loadModel } from '../../src/loading/load-model.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { imageName, writeRandomImages } from '../evaluation/random-images.ts';
import { smallConfiguration, smallNetwork, writeSmallModelFolder } from '../evaluation/small-network.ts';
import { randomWeights, writeHuggingFaceFolder } from '../random-network.ts';
import { smallSizes } from '../small-networks.ts';
import { expectFailure, expectQuestion, jsonOf } from './expectations.ts';
import { buildIfStale, runProgram } from './program.ts';
import type { ProgramResult } from './program.ts';

const { classes, depth } = smallConfiguration;
const schedule = { model: 'small', inputSize: 32, pruneKept: [17, 14, 10, 6], mergeKept: [17, 12, 8, 3] };

let directory = '';
const run = (...args: string[]): Promise<ProgramResult> => runProgram(args, directory);

beforeAll(async () => {
  buildIfStale();
  directory = mkdtempSync(join(tmpdir(), 'diffrate-cli-'));
  await writeSmallModelFolder(join(directory, 'small'));
  await writeHuggingFaceFolder(join(directory, 'encoder'), {
    weights: randomWeights({ ...smallSizes, classes: 0 }),
    config: { id2label: undefined },
  });
  await writeRandomImages(
    join(directory, 'images'),
    12,
    Array.from({ length: 12 }, (_, index) => index % classes),
  );
  await writeRandomImages(join(directory, 'unlabelled'), 3);
  await writeRandomImages(join(directory, 'wrong'), 2, [0, classes]);
  writeFileSync(join(directory, 'schedule.json'), JSON.stringify(schedule));
  writeFileSync(join(directory, 'damaged.json'), '{"model": "small"');
  writeFileSync(join(directory, 'short.json'), JSON.stringify({ ...schedule, pruneKept: [17], mergeKept: [17] }));
}, 180_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A search for a front, but for the range. */
const front = ['search', 'small', '--data', 'images', '--out', 'new-front', '--front'];

describe('diffrate', () => {
  it('prints help and its version', async () => {
    const [help, version] = [await run('--help'), await run('--version')];
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const command of ['compress', 'search', 'export', 'eval', 'bench', 'flops']) {
      expect(help.stdout).toContain(command);
      const own = await run(command, '--help');
      expect(own).toMatchObject({ code: 0, stderr: '' });
      expect(own.stdout).toContain('--json');
    }
    const named = await run('help', 'bench');
    expect(named).toMatchObject({ code: 0, stdout: (await run('bench', '--help')).stdout });
    expectFailure(await run('help', 'benhc'), 2, /no command "benhc": did you mean bench\?/);
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [['frobnicate'], /no command "frobnicate"/],
    [['evall', 'small'], /did you mean eval\?/],
    [['flops'], /needs MODEL/],
    [['flops', 'small', '--scedule', 'x'], /no option --scedule: did you mean --schedule/],
    [['flops', 'small', '--schedule'], /--schedule needs a value/],
    [['flops', 'small', 'another'], /one too many/],
    [['flops', 'small/model.safetensors'], /is a file: .* and give the file as --weights\./],
    [['eval', 'small'], /needs --data/],
    [['eval', 'small', '--data', 'images', '--limit', 'many'], /--limit must be a whole number from 1/],
    [['eval', 'small', '--data', 'images', '--device', 'abacus'], /--device must be one of .*"abacus"/],
    [['bench', 'small', '--batch', '0'], /--batch must be whole numbers from 1/],
    [
      ['export', 'small', '--schedule', 'schedule.json', '--out', 'x', '--dtype', 'fp8'],
      /--dtype must be of fp32, fp16, q8/,
    ],
    [['search', 'small', '--data', 'images', '--out', 's.json'], /target is missing/],
    [
      ['search', 'small', '--data', 'images', '--out', 's.json', '--ratio', '0.5', '--gflops', '2'],
      /exclude each other/,
    ],
    [['search', 'small', '--data', 'images', '--out', 's.json', '--latency', '12ms'], /latency are not there yet/],
    [
      ['search', 'small', '--data', 'images', '--out', 's.json', '--ratio', '0.5', '--preset', 'huge'],
      /--preset must be/,
    ],
    [['search', 'small', '--data', 'images', '--ratio', '0.5'], /needs --out/],
    [[...front, '0.9:0.5'], /--front must be the first ratio, .* \(0\.9:0\.5:8\), not "0\.9:0\.5"/],
    [[...front, '0.9:half:8'], /--front must be the first ratio, .*"0\.9:half:8"/],
    [[...front, '0.5:0.9:8'], /budgets fall: .*not 0\.5 before 0\.9/],
    [[...front, '90:50:8'], /must be below 1 and above 0, not 90 and 50/],
    [[...front, '0.9:0.5:1'], /from 2, not 1/],
    [[...front, '0.9:0.5:8', '--ratio', '0.7'], /--front and --ratio exclude each other/],
    [[...front, '0.9:0.5:8', '--gflops', '0.7'], /--front and --gflops exclude each other/],
    [[...front, '0.9:0.5:8', '--preset', 'paper'], /search a front with the preset small-data/],
    [['compress', 'small', '--data', 'images', '--ratio', '65'], /--ratio must be below 1/],
    [['compress', 'small', '--out', 'x'], /Without images .* give --data/],
    [['eval', 'small', '--data', 'images', '--objective', 'kl'], /--objective must be classDivergence or .*"kl"/],
    [
      ['eval', 'small', '--data', 'images', '--objective', 'featureDistance'],
      /gives scores of 7 classes, which featureDistance cannot compare: choose classDivergence\./,
    ],
    [
      ['search', 'encoder', '--data', 'images', '--ratio', '0.7', '--out', 's.json', '--objective', 'classDivergence'],
      /gives features of 64 numbers, which classDivergence cannot compare: choose featureDistance or regressionError/,
    ],
    [['compress', 'small', '--data', 'images', '--objective', 'regressionError', '--out', 'x'], /choose classDiv/],
  ])('answers %j with one sentence and exit code 2', async (args, sentence) => {
    expectFailure(await run(...args), 2, sentence);
  });

  it('says which commands there are where none is given', async () => {
    const result = await run();
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(/compress[^]*command is missing/);
  });

  it.each([
    [['flops', 'no_such_model'], /no_such_model/],
    [['flops', 'deit_tiny_patch16_224', '--schedule', '9.9'], /no published schedule/],
    [['flops', 'small', '--schedule', 'damaged.json'], /damaged\.json .*not valid JSON.*with diffrate search\./],
    [['flops', 'small', '--schedule', 'absent.json'], /absent\.json cannot be read/],
    [['flops', 'small', '--schedule', 'short.json'], /short\.json .* 1 blocks .* has 4/],
    [['eval', 'small', '--data', 'nowhere'], /'nowhere' does not exist/],
    [['eval', 'small', '--data', 'wrong'], new RegExp(`label ${classes} of '001\\.png'`)],
    [['eval', 'deit_tiny_patch16_224', '--weights', 'absent.safetensors', '--data', 'images'], /absent\.safetensors/],
    [
      ['eval', 'deit_tiny_patch16_224', '--weights', 'small/model.safetensors', '--data', 'images'],
      /model\.safetensors/,
    ],
    [['search', 'small', '--data', 'images', '--gflops', '500', '--out', 's.json'], /out of reach/],
    [[...front, '0.87:0.01:8'], /budget 0\.379 .*out of reach for small; choose ratios from 0\.490 to below 0\.877/],
    [[...front.slice(0, -2), 'schedule.json', '--front', '0.9:0.5:8'], /schedule\.json is a file/],
    [
      ['search', 'small', '--data', 'images', '--ratio', '0.7', '--out', 'schedule.json/below/s.json'],
      /cannot be written/,
    ],
    [['export', 'small', '--schedule', 'schedule.json', '--out', 'schedule.json'], /schedule\.json is a file/],
    [['compress', 'small', '--data', 'images', '--out', 'small'], /did not write/],
    [['compress', 'small', '--data', 'images', '--out', 'schedule.json/below'], /cannot be written/],
    [['compress', 'small', '--data', 'images', '--eval-data', 'wrong', '--out', 'x'], /label 7 of '001\.png'/],
  ])('answers %j with one sentence and exit code 1', async (args, sentence) => {
    expectFailure(await run(...args), 1, sentence);
  });
});

describe('diffrate flops', () => {
  it.each([
    ['deit_tiny_patch16_224', '0.8', 12, 0.809, 1.254],
    ['deit_small_patch16_224', '2.9', 12, 2.905, 4.599],
    ['caformer_s36', '5.6', 18, 5.604, 7.973],
  ])('%s at %s has the published cost', async (model, name, blocks, gflops, baseline) => {
    const report = jsonOf(await run('flops', model, '--schedule', name, '--json'));
    expect(Object.keys(report).join()).toBe(
      'model,schedule,selection,method,atMost,gflops,realGflops,baselineGflops,blocks',
    );
    expect(report).toMatchObject({ model, schedule: `${model}@${name}` });
    expect(report['gflops']).toBeCloseTo(gflops, 3);
    expect(report['baselineGflops']).toBeCloseTo(baseline, 3);
    expect(report['realGflops'] === null).toBe(model.startsWith('caformer'));
    const list = report['blocks'] as Record<string, number>[];
    expect(list).toHaveLength(blocks);
    expect(Object.keys(list[0] ?? {}).sort()).toEqual(['gflops', 'mergeKept', 'pruneKept', 'tokensIn', 'tokensOut']);
    for (const [index, block] of list.entries())
      expect(block['tokensIn']).toBe(list[index - 1]?.['tokensOut'] ?? block['tokensIn']);
  });

  it('prints a table, and takes a model folder without a schedule', async () => {
    const { code, stdout } = await run('flops', 'small');
    expect(code).toBe(0);
    expect(stdout).toContain('uncompressed');
    expect(stdout.split('\n').filter((line) => /^ *\d+ +17 +17 +17 +17 /.test(line))).toHaveLength(depth);
  });
});

describe('diffrate eval', () => {
  it('prints the contract’s object', async () => {
    const plain = jsonOf(await run('eval', 'small', '--data', 'images', '--json'));
    expect(plain).toMatchObject({
      model: 'small',
      method: 'uncompressed',
      schedule: null,
      images: 12,
      skipped: [],
      agreement: 100,
      kl: 0,
    });
    const compressed = jsonOf(
      await run('eval', 'small', '--data', 'images', '--schedule', 'schedule.json', '--json', '--limit', '7'),
    );
    expect(compressed).toMatchObject({ method: 'diffrate', schedule: 'schedule.json', images: 7 });
    for (const key of ['gflops', 'top1', 'top5', 'loss', 'agreement', 'kl', 'imagesPerSecond'])
      expect(compressed[key]).toEqual(expect.any(Number));
    expect(compressed['kl']).toBeGreaterThan(0);
    expect(compressed['objective']).toEqual({ name: 'classDivergence', value: compressed['kl'], unit: 'nats' });
    expect(compressed).toMatchObject({ featureDistance: null, neighbourAgreement: null });
  });

  it('measures an encoder by its features, or by what is asked for', async () => {
    const args = ['eval', 'encoder', '--data', 'images', '--schedule', 'schedule.json'];
    const usual = jsonOf(await run(...args, '--json'));
    expect(usual).toMatchObject({ top1: null, top5: null, loss: null, agreement: null, kl: null, images: 12 });
    expect(usual['objective']).toEqual({
      name: 'featureDistance',
      value: usual['featureDistance'],
      unit: '1 − cosine',
    });
    expect(usual['featureDistance']).toBeGreaterThan(0);
    expect(usual['neighbourAgreement']).toEqual(expect.any(Number));
    const { stdout } = await run(...args, '--objective', 'regressionError');
    expect(stdout).toMatch(/^root mean squared error .* \(standard deviations\) +0\.\d+$/m);
    expect(stdout).toMatch(/^1 − cosine of features +0\.\d+$/m);
    expect(stdout).not.toMatch(/top-1|KL|agreement|–/);
  });

  it('has no accuracy without labels, reports broken images, and fails on them where strict', async () => {
    writeFileSync(join(directory, 'unlabelled', imageName(1)), 'no image');
    const result = await run('eval', 'small', '--data', 'unlabelled', '--schedule', 'schedule.json', '--json');
    expect(jsonOf(result)).toMatchObject({
      images: 2,
      top1: null,
      top5: null,
      loss: null,
      skipped: [{ file: imageName(1) }],
    });
    expect(result.stderr).toMatch(/^warning: .*001\.png/m);
    expectFailure(await run('eval', 'small', '--data', 'unlabelled', '--strict', '--json'), 1, /001\.png/);
  });
});

describe('diffrate bench', () => {
  it('prints one run per batch size', async () => {
    const report = jsonOf(
      await run('bench', 'small', '--schedule', 'schedule.json', '--batch', '1,3', '--rounds', '2', '--json'),
    );
    const runs = report['runs'] as Record<string, unknown>[];
    expect(runs.map(({ batch, device }) => [batch, device])).toEqual([
      [1, 'cpu'],
      [3, 'cpu'],
    ]);
    for (const key of ['imagesPerSecond', 'baselineImagesPerSecond', 'speedup', 'flopsRatio'])
      expect(runs[0]?.[key]).toEqual(expect.any(Number));
  });
});

describe('diffrate export', () => {
  it('writes a model folder', async () => {
    const report = jsonOf(
      await run('export', 'small', '--schedule', 'schedule.json', '--out', 'exported', '--dtype', 'fp32,q8', '--json'),
    );
    const files = (report['files'] as { path: string }[]).map(({ path }) => path);
    for (const file of [
      'onnx/model.onnx',
      'onnx/model_quantized.onnx',
      'config.json',
      'preprocessor_config.json',
      'schedule.json',
      'README.md',
    ]) {
      expect(files).toContain(file);
      expect(existsSync(join(directory, 'exported', file))).toBe(true);
    }
    expect(JSON.parse(readFileSync(join(directory, 'exported', 'schedule.json'), 'utf8'))).toMatchObject({
      pruneKept: schedule.pruneKept,
      mergeKept: schedule.mergeKept,
    });
  });
});

/**
 * KL of an exported file from the plain network on a folder's images, with ONNX Runtime as any user
 * has it.
 */
async function klOfExported(model: string, images: string): Promise<number | null> {
  const plain = smallNetwork();
  const session = await InferenceSession.create(model);
  const whole = await NetworkSession.load(plain, { runtime: nodeRuntime });
  const { preprocessing, network } = plain;
  const loader = createImageLoader({ source: await openImageFolder(images), preprocessing, batchSize: 1 });
  const metrics = new MetricAccumulator(network.answers);
  for await (const { pixels, shape } of loader) {
    const logits = (await session.run({ pixel_values: new Tensor('float32', pixels, shape) }))['logits'];
    metrics.add({ answers: logits?.data as Float32Array, reference: await whole.run(pixels) });
  }
  await Promise.all([loader.close(), session.release(), whole.dispose()]);
  return metrics.result().kl;
}

describe('diffrate compress', () => {
  it('makes an encoder faster, and says how near its features are', async () => {
    const steps = ['--ratio', '0.7', '--steps', '4', '--batch', '4'];
    const { code, stdout, stderr } = await run(
      'compress',
      'encoder',
      '--data',
      'images',
      ...steps,
      '--out',
      'features',
    );
    expect(stderr).not.toMatch(/^error/m);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^cosine distance of features \(1 − cosine\) +0\.\d+$/m);
    expect(stdout).toMatch(/^same neighbour % +[\d.]+$/m);
    expect(stdout).not.toMatch(/top-1|KL/);
    const card = readFileSync(join(directory, 'features', 'README.md'), 'utf8');
    expect(card).toContain('| cosine distance of features (1 − cosine) |  | 0.');
    expect(card).not.toMatch(/top-1|KL/);
    const page = readFileSync(join(directory, 'features', 'report.html'), 'utf8').replace(/base64,[^"]*/g, '');
    expect(page).toContain('The loss is the cosine distance of features.');
    expect(page).toContain('loss in 1 − cosine');
    expect(page).not.toMatch(/top-1|KL|nats|classifier/);
  });

  it('does not search again where it was stopped after the search', async () => {
    await writeRandomImages(join(directory, 'broken'), 2);
    writeFileSync(join(directory, 'broken', 'broken.png'), 'no image');
    const search = ['--ratio', '0.7', '--steps', '8', '--batch', '4', '--out', 'measured'];
    const args = ['compress', 'small', '--data', 'images', ...search];
    expectFailure(await run(...args, '--eval-data', 'broken', '--strict'), 1, /Cannot decode the image 'broken\.png'/);
    const checkpoint = join(directory, 'measured.checkpoint');
    const found = readFileSync(join(directory, 'measured', 'schedule.json'), 'utf8');
    // A step that a search from the start would not have done.
    const state = JSON.parse(readFileSync(checkpoint, 'utf8')) as { history: { loss: number }[] };
    expect(state.history.length).toBeGreaterThan(8);
    (state.history[0] as { loss: number }).loss = 123.456;
    writeFileSync(checkpoint, JSON.stringify(state));
    await expectQuestion((...more) => run(...args, '--eval-data', 'unlabelled', ...more), checkpoint, 'search');
    expect(readFileSync(join(directory, 'measured', 'schedule.json'), 'utf8')).toBe(found);
    expect((await run(...args, '--eval-data', 'unlabelled', '--resume')).code).toBe(0);
    expect(readFileSync(join(directory, 'measured', 'schedule.json'), 'utf8')).toBe(found);
    expect(readFileSync(join(directory, 'measured', 'report.html'), 'utf8')).toContain('123.456');
    expect(existsSync(checkpoint)).toBe(false);
  });

  it('shows every precision beside the others, and agrees with the function', async () => {
    const steps = ['--ratio', '0.7', '--steps', '4', '--batch', '4', '--threads', '1'];
    const args = ['compress', 'small', '--data', 'images', ...steps, '--dtype', 'q8,fp32', '--out', 'precisions'];
    const { code, stdout } = await run(...args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ +original +q8 +fp32$/m);
    expect(stdout).toMatch(/^runs well on +CPU, WebAssembly +everywhere$/m);
    expect(stdout).not.toContain('answer a little differently');
    const page = readFileSync(join(directory, 'precisions', 'report.html'), 'utf8');
    expect(page).toContain('<section id="precisions"');
    const report = jsonOf(await run(...args, '--json', '--no-report')) as unknown as CompressionResult;
    const made = await compress({
      model: await loadModel(join(directory, 'small')),
      images: await openImageFolder(join(directory, 'images')),
      target: { ratio: 0.7 },
      steps: 4,
      batchSize: 4,
      threads: 1,
      dtypes: ['q8', 'fp32'],
      directory: join(directory, 'function'),
    });
    const untimed = ({ precisions }: CompressionResult): unknown =>
      precisions.map(({ evaluation, ...precision }) => ({
        ...precision,
        runs: [],
        evaluation: { ...evaluation, imagesPerSecond: 0 },
      }));
    expect(untimed(report)).toEqual(untimed(made));
    expect(report.schedule).toEqual(made.schedule);
    for (const file of ['onnx/model.onnx', 'onnx/model_quantized.onnx'])
      expect(readFileSync(join(directory, 'precisions', file))).toEqual(
        readFileSync(join(directory, 'function', file)),
      );
  });

  it('is refused where another process writes the folder', async () => {
    const owner = { pid: process.ppid, host: hostname(), began: 0, id: 'another' };
    writeFileSync(join(directory, 'taken.lock'), JSON.stringify(owner));
    const result = await run('compress', 'small', '--data', 'images', '--ratio', '0.7', '--out', 'taken');
    expectFailure(result, 1, new RegExp(`Process ${process.ppid} is already writing taken: wait for it`));
    rmSync(join(directory, 'taken.lock'));
    expect(existsSync(join(directory, 'taken'))).toBe(false);
  });

  it('writes the model folder and what it is worth', async () => {
    const args = [
      'compress',
      'small',
      '--data',
      'images',
      '--eval-data',
      'unlabelled',
      '--ratio',
      '0.7',
      '--steps',
      '8',
      '--batch',
      '4',
      '--out',
      'new/compressed/',
    ];
    const report = jsonOf(await run(...args, '--json'));
    expect(report).toMatchObject({
      model: 'small',
      out: 'new/compressed/',
      search: { steps: 8 },
      evaluation: { before: { kl: 0 }, after: { top1: null } },
    });
    const gflops = report['gflops'] as Record<string, number>;
    expect(gflops['after']).toBeLessThanOrEqual(report['target'] as number);
    expect((report['runs'] as { batch: number }[]).map(({ batch }) => batch)).toEqual([1, 16]);
    const { after } = report['evaluation'] as { after: { kl: number } };
    const file = join(directory, 'new/compressed', 'onnx', 'model.onnx');
    expect(await klOfExported(file, join(directory, 'unlabelled'))).toBeCloseTo(after.kl, 6);
    expect(readFileSync(join(directory, 'new/compressed', 'schedule.json'), 'utf8')).toContain('"merging": "patches"');
    expect(readdirSync(join(directory, 'new/compressed')).sort()).toEqual([
      'README.md',
      'config.json',
      'onnx',
      'preprocessor_config.json',
      'report.html',
      'schedule.json',
    ]);
    const card = readFileSync(join(directory, 'new/compressed', 'README.md'), 'utf8');
    expect(card).toContain('agreement');
    expect(card).toContain('Images per second');
    expect(readdirSync(directory).filter((name) => name.includes('partial') || name.includes('checkpoint'))).toEqual(
      [],
    );
  });
});
