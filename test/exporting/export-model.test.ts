/**
 * Exported folders: loaded by onnxruntime-node and by transformers.js, unchanged; and what happens
 * when writing fails.
 */
import { env, pipeline, RawImage } from '@huggingface/transformers';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiffrateError, UsageError } from '../../src/errors.ts';
import { networkModel, NetworkSession } from '../../src/execution/network-session.ts';
import { exportModel } from '../../src/exporting/export-model.ts';
import type { Metrics } from '../../src/evaluation/metrics.ts';
import { readScheduleFile } from '../../src/exporting/schedule-file.ts';
import { loadModel } from '../../src/loading/load-model.ts';
import type { LoadedModel } from '../../src/loading/model-from-files.ts';
import { namedShape } from '../../src/networks/model.ts';
import { parametersFromWeights } from '../../src/networks/parameters.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { mergeRules } from '../../src/reduction/merge-rule.ts';
import { findPublishedSchedule } from '../../src/reduction/published-schedules.ts';
import type { Schedule } from '../../src/reduction/schedule.ts';
import { buildMethod, parseMethod } from '../../src/reduction/methods/registry.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { floats } from '../../src/runtime/runtime.ts';
import {
  huggingFaceWeights,
  randomModel,
  randomValues,
  randomWeights,
  smallConfiguration,
  smallLabels,
  smallSchedule,
  writeHuggingFaceFolder,
  writeRandomImage,
} from '../random-network.ts';
import { smallNetwork, smallWeights } from '../small-networks.ts';

env.allowRemoteModels = false;

let folder = '';
let out = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffrate-export-'));
  out = join(folder, 'out');
});
afterEach(() => rm(folder, { recursive: true }));

/** Logits of our own graph. */
async function ownLogits(
  model: LoadedModel,
  schedule: Schedule | undefined,
  pixels: Float32Array,
): Promise<Float32Array> {
  const session = await NetworkSession.load(model, {
    runtime: nodeRuntime,
    reducer: schedule && diffRate(schedule, model.network),
  });
  try {
    return await session.run(pixels);
  } finally {
    await session.dispose();
  }
}

/** Logits of an exported file, loaded from disk as any user would. */
async function exportedLogits(path: string, size: number, pixels: Float32Array): Promise<Float32Array> {
  const session = await InferenceSession.create(path);
  try {
    const { logits } = await session.run({
      pixel_values: new Tensor('float32', pixels, [pixels.length / (3 * size * size), 3, size, size]),
    });
    return logits?.data as Float32Array;
  } finally {
    await session.release();
  }
}

function softmax(logits: Float32Array): number[] {
  const largest = Math.max(...logits);
  const exponentials = Array.from(logits, (value) => Math.exp(value - largest));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

const largestDifference = (a: Float32Array, b: Float32Array): number =>
  Math.max(...a.map((value, index) => Math.abs(value - (b[index] ?? Number.NaN))));

const json = async (name: string): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(out, name), 'utf8')) as Record<string, unknown>;

/**
 * Classifies an image with transformers.js and with our own graph on the pixels of its processor;
 * compares every class.
 * @returns the pipeline's classes, likeliest first.
 */
async function compareWithPipeline(
  model: LoadedModel,
  schedule: Schedule | undefined,
  image: string,
): Promise<string[]> {
  const classifier = await pipeline('image-classification', out, { local_files_only: true, dtype: 'fp32' });
  try {
    const scores = await classifier(image, { top_k: model.network.answers.size });
    const { pixel_values } = (await classifier.processor(await RawImage.read(image))) as {
      pixel_values: { data: Float32Array };
    };
    const own = softmax(await ownLogits(model, schedule, pixel_values.data));
    const labelOf = (index: number): string => model.labels?.[index] ?? `LABEL_${index}`;
    const ranked = own.map((score, index) => ({ label: labelOf(index), score })).sort((a, b) => b.score - a.score);
    expect(scores).toHaveLength(model.network.answers.size);
    for (const [rank, { score }] of ranked.entries())
      expect(Math.abs((scores[rank]?.score ?? Number.NaN) - score)).toBeLessThanOrEqual(1e-4);
    expect(scores[0]?.label).toBe(ranked[0]?.label);
    return scores.map(({ label }) => label);
  } finally {
    await classifier.dispose();
  }
}

const encoder = { ...smallConfiguration, classes: 0 };

/** Both outputs of our own graph of an encoder. */
async function ownOutputs(
  model: LoadedModel,
  schedule: Schedule | undefined,
  pixels: Float32Array,
): Promise<{ readonly last_hidden_state: Float32Array; readonly pooler_output: Float32Array }> {
  const session = await nodeRuntime.load(networkModel(model, schedule && diffRate(schedule, model.network)));
  const outputs = await session.run({ pixel_values: floats(pixels, [1, 3, 32, 32]) });
  await session.dispose();
  const data = (name: string): Float32Array => outputs[name]?.data as Float32Array;
  return { last_hidden_state: data('last_hidden_state'), pooler_output: data('pooler_output') };
}

/**
 * Features that transformers.js extracts with the exported folder, and the pixels that its
 * processor makes.
 */
async function extractedFeatures(
  image: string,
  dtype: 'fp32' | 'fp16' | 'q8',
): Promise<{ readonly plain: Features; readonly pooled: Features; readonly pixels: Float32Array }> {
  const extractor = await pipeline('image-feature-extraction', out, { local_files_only: true, dtype });
  try {
    const plain = (await extractor(image)) as Features;
    const pooled = (await extractor(image, { pool: true })) as Features;
    const processed: unknown = await extractor.processor?.(await RawImage.read(image));
    const { pixel_values } = processed as { pixel_values: { data: Float32Array } };
    return { plain, pooled, pixels: pixel_values.data };
  } finally {
    await extractor.dispose();
  }
}

interface Features {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

describe('an exported folder', () => {
  it('gives the logits of our graph in onnxruntime-node, at any batch', async () => {
    const model = randomModel();
    const { files, warnings } = await exportModel({ model, schedule: smallSchedule, directory: out });
    for (const batch of [1, 3]) {
      const pixels = randomValues(batch * 3 * 32 * 32, batch);
      const expected = await ownLogits(model, smallSchedule, pixels);
      expect(largestDifference(await exportedLogits(join(out, 'onnx/model.onnx'), 32, pixels), expected)).toBeLessThan(
        1e-5,
      );
    }
    expect(warnings).toEqual([]);
    expect((await readdir(folder)).sort()).toEqual(['out']);
    expect(files.map(({ path }) => path).sort()).toEqual([
      'README.md',
      'config.json',
      'onnx/model.onnx',
      'preprocessor_config.json',
      'schedule.json',
    ]);
    for (const { path, bytes } of files) expect((await readFile(join(out, path))).length).toBe(bytes);
  });

  it.each([
    ['compressed', smallSchedule],
    ['plain', undefined],
  ])('of the %s network loads in transformers.js, with its labels', async (_, schedule) => {
    const model = randomModel();
    await exportModel({ model, schedule, directory: out, dtypes: ['fp32'] });
    await writeRandomImage(join(folder, 'image.png'), 90, 50);
    const labels = await compareWithPipeline(model, schedule, join(folder, 'image.png'));
    expect(labels.sort()).toEqual([...smallLabels].sort());
  });

  it('made from a Hugging Face folder keeps its square preprocessing', async () => {
    await writeHuggingFaceFolder(join(folder, 'original'));
    const model = await loadModel(join(folder, 'original'));
    await exportModel({ model, schedule: smallSchedule, directory: out });
    expect(await json('preprocessor_config.json')).toMatchObject({
      size: { height: 32, width: 32 },
      do_center_crop: false,
      resample: 2,
    });
    await writeRandomImage(join(folder, 'image.png'), 50, 90);
    await compareWithPipeline(model, smallSchedule, join(folder, 'image.png'));
  });

  it('without labels gets names', async () => {
    await exportModel({ model: randomModel(smallConfiguration, []), directory: out });
    expect((await json('config.json'))['id2label']).toMatchObject({ 0: 'LABEL_0', 9: 'LABEL_9' });
  });

  it.each([
    ['compressed, without a pooler', smallSchedule, false],
    ['plain, without a pooler', undefined, false],
    ['compressed, with a pooler', smallSchedule, true],
  ] as const)(
    'of an encoder extracts features in transformers.js, pooled or not: %s',
    async (_, schedule, hasPooler) => {
      const has = (name: string): boolean => hasPooler || !name.startsWith('pooler.');
      const weights = smallWeights(smallNetwork(encoder), 1, has);
      const model = { ...randomModel(encoder, []), parameters: parametersFromWeights(weights, 'random weights') };
      await exportModel({ model, schedule, directory: out, dtypes: ['fp32', 'fp16', 'q8'] });
      const config = await json('config.json');
      expect(config).toMatchObject({ model_type: 'vit', architectures: ['ViTModel'] });
      expect(config).not.toHaveProperty('id2label');
      await writeRandomImage(join(folder, 'image.png'), 40, 60);
      for (const [dtype, tolerance] of [
        ['fp32', 1e-4],
        ['fp16', 0.02],
        ['q8', 0.3],
      ] as const) {
        const { plain, pooled, pixels } = await extractedFeatures(join(folder, 'image.png'), dtype);
        expect(plain.dims).toEqual([1, 1, 64]);
        expect(pooled.dims).toEqual([1, 64]);
        const own = await ownOutputs(model, schedule, pixels);
        const largest = Math.max(...own.last_hidden_state.map(Math.abs));
        expect(largestDifference(plain.data, own.last_hidden_state) / largest, dtype).toBeLessThan(tolerance);
        expect(largestDifference(pooled.data, own.pooler_output) / largest, dtype).toBeLessThan(tolerance);
        // Without a pooler of its own the network's features are what is pooled.
        expect(own.pooler_output.every((value, index) => value === own.last_hidden_state[index])).toBe(!hasPooler);
      }
      const card = await readFile(join(out, 'README.md'), 'utf8');
      expect(card).toContain('pipeline_tag: image-feature-extraction');
      expect(card).toContain(
        'output `last_hidden_state` [batch, 1, 64] and `pooler_output` [batch, 64] (pooled features)',
      );
      expect(card).toContain("const run = await pipeline('image-feature-extraction', '/path/to/this/folder'");
      expect(card).toMatch(/await run\('photo\.jpg'\);.*\{ pool: true \}/);
      expect(card).toContain('const { last_hidden_state } = await session.run({ pixel_values });');
    },
  );

  it('of an encoder from a Hugging Face checkpoint has that one’s pooler', async () => {
    const weights = huggingFaceWeights(randomWeights(encoder));
    await writeHuggingFaceFolder(join(folder, 'original'), { weights, config: { id2label: undefined } });
    const model = await loadModel(join(folder, 'original'));
    expect(model.warnings).toEqual([expect.stringContaining('has no classifier')]);
    await exportModel({ model, schedule: smallSchedule, directory: out });
    await writeRandomImage(join(folder, 'image.png'), 40, 60);
    const { plain, pooled, pixels } = await extractedFeatures(join(folder, 'image.png'), 'fp32');
    const own = await ownOutputs(model, smallSchedule, pixels);
    expect(largestDifference(pooled.data, own.pooler_output)).toBeLessThan(1e-4);
    expect(largestDifference(pooled.data, plain.data)).toBeGreaterThan(0.1);
  });

  it('of a method needs token numbers that are the same for every image', async () => {
    const model = randomModel();
    const shape = namedShape(model.network, model.name);
    const ragged = buildMethod(parseMethod('ats:tokens=12'), shape);
    await expect(exportModel({ model, method: ragged, directory: out })).rejects.toThrow(
      /^ats:tokens=12 keeps another number of tokens for each image, .*: export a method with static numbers/,
    );
    expect(existsSync(out)).toBe(false);
    await exportModel({ model, method: buildMethod(parseMethod('tome:r=2'), shape), directory: out });
    expect(await json('config.json')).toMatchObject({
      diffrate: { method: 'tome:r=2', tokensPerBlock: [15, 13, 11, 9] },
    });
  });

  it('of an oblong network says height and width, and keeps them in its schedule', async () => {
    const model = randomModel({ ...smallConfiguration, inputSize: { height: 32, width: 48 } });
    const schedule: Schedule = {
      ...smallSchedule,
      inputSize: [32, 48],
      pruneKept: [25, 20, 16, 12],
      mergeKept: [25, 18, 12, 6],
    };
    await exportModel({ model, schedule, directory: out });
    expect(await readScheduleFile(join(out, 'schedule.json'))).toMatchObject({ inputSize: [32, 48] });
    expect(await json('config.json')).toMatchObject({ image_size: [32, 48] });
    const card = await readFile(join(out, 'README.md'), 'utf8');
    expect(card).toContain('Input `pixel_values` [batch, 3, 32, 48], output `logits` [batch, 10].');
    expect(card).toContain('[1, 3, 32, 48]);');
    const square = exportModel({ model, schedule: { ...schedule, inputSize: 32 }, directory: out });
    await expect(square).rejects.toThrow(/is for an input of 32×32 pixels but small-vit takes 32×48/);
  });

  it('holds a schedule that is read back', async () => {
    const rising = { ...smallSchedule, pruneKept: [17, 15, 17, 8] };
    const { schedule } = await exportModel({ model: randomModel(), schedule: rising, directory: out });
    const read = await readScheduleFile(join(out, 'schedule.json'));
    expect(read).toEqual(schedule);
    expect(read).toMatchObject({ ...smallSchedule, pruneKept: [17, 15, 14, 8], gflops: expect.any(Number) });
    expect(await json('config.json')).toMatchObject({
      diffrate: { pruneKept: [17, 15, 14, 8], mergeKept: [17, 14, 10, 5] },
    });
  });

  it.each(mergeRules)(
    'merges by the rule of its schedule, %s, in the file and in what is said of it',
    async (merging) => {
      const model = randomModel();
      const own = { ...smallSchedule, merging };
      const { schedule } = await exportModel({ model, schedule: own, directory: out });
      expect(schedule?.merging).toBe(merging);
      expect(await readScheduleFile(join(out, 'schedule.json'))).toEqual(schedule);
      expect(await json('config.json')).toMatchObject({ diffrate: { merging } });
      const pixels = randomValues(2 * 3 * 32 * 32, 7);
      const exported = await exportedLogits(join(out, 'onnx/model.onnx'), 32, pixels);
      for (const rule of mergeRules) {
        const difference = largestDifference(
          exported,
          await ownLogits(model, { ...smallSchedule, merging: rule }, pixels),
        );
        if (rule === merging) expect(difference).toBeLessThan(1e-5);
        else expect(difference, `as ${rule} merges`).toBeGreaterThan(1e-4);
      }
    },
  );

  it('in three precisions gives nearly the same logits in each', async () => {
    const model = randomModel();
    const { files } = await exportModel({ model, directory: out, dtypes: ['q8', 'fp16', 'fp32', 'q8'] });
    const bytes = new Map(files.map((file) => [file.path, file.bytes]));
    const sizes = ['model_quantized', 'model_fp16', 'model'].map((name) => bytes.get(`onnx/${name}.onnx`) ?? 0);
    expect([...sizes].sort((a, b) => a - b)).toEqual(sizes);
    expect((await json('config.json'))['transformers.js_config']).toEqual({ dtype: 'q8' });
    const pixels = randomValues(3 * 32 * 32, 3);
    const expected = await ownLogits(model, undefined, pixels);
    const largest = Math.max(...expected.map(Math.abs));
    for (const [name, tolerance] of [
      ['model', 1e-5],
      ['model_fp16', 5e-3],
      ['model_quantized', 0.1],
    ] as const) {
      const logits = await exportedLogits(join(out, `onnx/${name}.onnx`), 32, pixels);
      expect(largestDifference(logits, expected) / largest, name).toBeLessThan(tolerance);
    }
    await writeRandomImage(join(folder, 'image.png'), 60, 60);
    for (const dtype of ['fp32', 'fp16', 'q8', undefined] as const) {
      const classifier = await pipeline('image-classification', out, {
        local_files_only: true,
        ...(dtype && { dtype }),
      });
      const [best] = await classifier(join(folder, 'image.png'));
      await classifier.dispose();
      expect(smallLabels).toContain(best?.label);
    }
  });

  it('with weights in an external file loads in both', async () => {
    const model = randomModel();
    await exportModel({
      model,
      schedule: smallSchedule,
      directory: out,
      dtypes: ['fp32', 'fp16'],
      externalDataAbove: 1000,
    });
    const names = ['model.onnx', 'model.onnx_data', 'model_fp16.onnx', 'model_fp16.onnx_data'];
    expect((await readdir(join(out, 'onnx'))).sort()).toEqual(names);
    expect((await json('config.json'))['transformers.js_config']).toEqual({
      dtype: 'fp32',
      use_external_data_format: { 'model.onnx': 1, 'model_fp16.onnx': 1 },
    });
    const pixels = randomValues(3 * 32 * 32, 5);
    const expected = await ownLogits(model, smallSchedule, pixels);
    expect(largestDifference(await exportedLogits(join(out, 'onnx/model.onnx'), 32, pixels), expected)).toBeLessThan(
      1e-5,
    );
    await writeRandomImage(join(folder, 'image.png'), 60, 60);
    await compareWithPipeline(model, smallSchedule, join(folder, 'image.png'));
  });
});

/** Nothing but a number of images. */
const metrics: Metrics = {
  images: 12,
  objective: null,
  top1: null,
  top5: null,
  loss: null,
  agreement: null,
  kl: null,
  featureDistance: null,
  neighbourAgreement: null,
};

describe('the model card', () => {
  it('tells what was measured and nothing else', async () => {
    const card = async (measured?: Parameters<typeof exportModel>[0]['measured']): Promise<string> => {
      await exportModel({ model: randomModel(), schedule: smallSchedule, directory: out, measured });
      return readFile(join(out, 'README.md'), 'utf8');
    };
    const bare = await card();
    expect(bare).toMatch(/^---\nlibrary_name: transformers\.js\npipeline_tag: image-classification\n/);
    expect(bare).toContain('as the DiffRate paper counts');
    expect(bare).not.toMatch(/Images per second|agreement|top-1|KL|undefined|null|NaN/);
    const full = await card({
      data: '12 images',
      evaluation: {
        before: { ...metrics, top1: 76.5, agreement: 100, kl: 0 },
        after: { ...metrics, top1: 75, agreement: 97.25, kl: 0.01234 },
      },
      machine: 'a test',
      runs: [{ batch: 16, device: 'cpu', imagesPerSecond: 30, baselineImagesPerSecond: 20 }],
    });
    expect(full).toContain('| top-1 accuracy | 76.50 % | 75.00 % |');
    expect(full).toContain('| cpu | 16 | 20.0 | 30.0 | 1.50× |');
    expect(full).toMatch(/97\.25 %[\s\S]*0\.0123[\s\S]*Measured on a test/);
    expect(full).not.toContain('top-5');
    expect(full).toContain('of the original network, unchanged.');
    await exportModel({
      model: randomModel(),
      schedule: smallSchedule,
      directory: out,
      dtypes: ['q8'],
      measured: { runs: [{ batch: 16, device: 'cpu', imagesPerSecond: 30, baselineImagesPerSecond: 20 }] },
    });
    const quantized = await readFile(join(out, 'README.md'), 'utf8');
    expect(quantized).toContain('unchanged but for their precision where that is lower');
    // Whose figures these are the caller has not said.
    expect(quantized).not.toMatch(/single precision|answer a little differently/);
  });
});

describe('folders that are there already', () => {
  it('are replaced if diffrate wrote them: stale models go, other files stay', async () => {
    const model = randomModel();
    await exportModel({
      model,
      schedule: smallSchedule,
      directory: out,
      dtypes: ['fp32', 'q8'],
      externalDataAbove: 1000,
    });
    await writeFile(join(out, 'report.html'), 'of another schedule');
    await writeFile(join(out, 'notes.txt'), 'mine');
    await exportModel({ model, directory: out, dtypes: ['fp16'] });
    expect((await readdir(out)).sort()).toEqual([
      'README.md',
      'config.json',
      'notes.txt',
      'onnx',
      'preprocessor_config.json',
    ]);
    expect(await readdir(join(out, 'onnx'))).toEqual(['model_fp16.onnx']);
  });

  it('are refused where they hold a trained network, which could not be loaded any more', async () => {
    const model = randomModel();
    await exportModel({ model, directory: out });
    await writeFile(join(out, 'model.safetensors'), 'weights');
    await expect(exportModel({ model, directory: out })).rejects.toThrow(
      /holds a trained network, which could not be loaded any more \(model\.safetensors\): choose another folder/,
    );
  });

  it('may be empty or hold a search so far', async () => {
    await mkdir(out);
    await writeFile(join(out, 'search-checkpoint.json'), '{}');
    await exportModel({ model: randomModel(), schedule: smallSchedule, directory: out });
    expect(await readdir(out)).toContain('search-checkpoint.json');
  });

  it('are refused and untouched if something else is in them', async () => {
    await writeHuggingFaceFolder(out);
    const before = await readFile(join(out, 'config.json'), 'utf8');
    await expect(exportModel({ model: randomModel(), directory: out })).rejects.toThrow(
      /holds something that diffrate did not write \(config\.json\): choose a new folder/,
    );
    expect(await readFile(join(out, 'config.json'), 'utf8')).toBe(before);
    expect(await readdir(folder)).toEqual(['out']);
  });
});

describe('failures', () => {
  it('of a full disk leave nothing, and an older export whole', async () => {
    const model = randomModel();
    const write = async (path: string): Promise<void> => {
      await writeFile(path, 'half of it');
      if (path.endsWith('preprocessor_config.json')) throw new Error('ENOSPC: no space left on device, write');
    };
    const nested = join(folder, 'new', 'deep');
    await expect(exportModel({ model, directory: nested, write })).rejects.toThrow(DiffrateError);
    await expect(exportModel({ model, directory: nested, write })).rejects.toThrow(
      /cannot be written \(ENOSPC.*\): choose a place/,
    );
    expect(await readdir(folder)).toEqual([]);
    await exportModel({ model, schedule: smallSchedule, directory: out });
    const before = await readFile(join(out, 'onnx/model.onnx'));
    await expect(exportModel({ model, directory: out, write })).rejects.toThrow(DiffrateError);
    expect(before.equals(await readFile(join(out, 'onnx/model.onnx')))).toBe(true);
    expect(await readdir(folder)).toEqual(['out']);
  });

  it('of a place below a file, or a file in the way, are a sentence', async () => {
    const file = join(folder, 'file');
    await writeFile(file, 'mine');
    await expect(exportModel({ model: randomModel(), directory: join(file, 'out') })).rejects.toThrow(
      /cannot be written \(/,
    );
    await expect(exportModel({ model: randomModel(), directory: file })).rejects.toThrow(
      /is a file where a folder is to be written/,
    );
    expect(await readFile(file, 'utf8')).toBe('mine');
    expect(await readdir(folder)).toEqual(['file']);
  });

  it('of a schedule or a precision come before anything is written', async () => {
    const model = randomModel();
    const short = { ...smallSchedule, pruneKept: [17], mergeKept: [17] };
    await expect(exportModel({ model, schedule: short, directory: out })).rejects.toThrow(
      /has 1 blocks in pruneKept but small-vit has 4/,
    );
    await expect(exportModel({ model, directory: out, dtypes: [] })).rejects.toThrow(UsageError);
    expect(await readdir(folder)).toEqual([]);
    const other = await exportModel({ model, schedule: { ...smallSchedule, model: 'another' }, directory: out });
    expect(other.warnings).toEqual([expect.stringMatching(/was learnt for another and is used for small-vit/)]);
  });
});

describe('the real DeiT-T with the published 0.8 G schedule', () => {
  const data = resolve(process.env['DIFFRATE_DATA'] ?? '../shared/data');
  const weights = join(data, 'weights/deit_tiny_patch16_224.safetensors');
  const isThere = existsSync(weights);
  if (!isThere) console.warn(`skipped: ${weights} is not there`);
  it.skipIf(!isThere)('classifies in transformers.js as in our graph', async () => {
    const model = await loadModel('deit_tiny_patch16_224', { weights });
    const schedule = findPublishedSchedule('0.8', 'deit_tiny_patch16_224');
    await exportModel({ model, schedule, directory: out, dtypes: ['fp32'] });
    expect(await readScheduleFile(join(out, 'schedule.json'))).toMatchObject({
      model: 'deit_tiny_patch16_224',
      gflops: expect.closeTo(0.809, 3),
    });
    const images = join(data, 'imagenet-val/images');
    const [first = ''] = (await readdir(images)).sort();
    await compareWithPipeline(model, schedule, join(images, first));
    const card = await readFile(join(out, 'README.md'), 'utf8');
    expect(card).toContain('license: apache-2.0\nbase_model: timm/deit_tiny_patch16_224.fb_in1k');
  });
});
