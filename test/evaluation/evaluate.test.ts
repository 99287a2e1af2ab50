/** Evaluation of a small random network on generated images. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countFlops } from '../../src/cost/flops.ts';
import { createImageLoader } from '../../src/data/batches.ts';
import { DecodedImages } from '../../src/data/decoded-images.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { DiffrateError } from '../../src/errors.ts';
import { evaluateEach, evaluateModel, evaluateVariants } from '../../src/evaluation/evaluate.ts';
import type { EvaluationProgress } from '../../src/evaluation/evaluation-options.ts';
import { NetworkSession, networkModel } from '../../src/execution/network-session.ts';
import { onnxFileOf } from '../../src/onnx/onnx-file.ts';
import { buildMethod, parseMethod } from '../../src/reduction/methods/registry.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { objectiveFor } from '../../src/objectives/registry.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { smallModel } from '../small-networks.ts';
import { imageName, writeRandomImages } from './random-images.ts';
import { smallConfiguration, smallNetwork } from './small-network.ts';

const schedule = { pruneKept: [17, 14, 10, 6], mergeKept: [17, 12, 8, 3] };
const model = smallNetwork(3);
const { network } = model;
const { classes } = smallConfiguration;

let root = '';
let folder: ImageSource;

/** Predictions of the plain network or one with a schedule, image by image. */
async function predictions(reduced: boolean): Promise<number[]> {
  const session = await NetworkSession.load(model, {
    runtime: nodeRuntime,
    ...(reduced && { reducer: diffRate(schedule, network) }),
  });
  const loader = createImageLoader({ source: folder, preprocessing: model.preprocessing, batchSize: 1 });
  const found: number[] = [];
  for await (const { pixels } of loader) {
    const logits = [...(await session.run(pixels))];
    found.push(logits.indexOf(Math.max(...logits)));
  }
  await loader.close();
  await session.dispose();
  return found;
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'diffrate-evaluate-'));
  await writeRandomImages(
    join(root, 'images'),
    23,
    Array.from({ length: 23 }, (_, index) => index % classes),
  );
  folder = await openImageFolder(join(root, 'images'));
});

afterAll(() => rmSync(root, { recursive: true }));

describe('evaluateVariants', () => {
  it('counts what the networks predict image by image', async () => {
    const [plain, compressed] = [await predictions(false), await predictions(true)];
    const progress: EvaluationProgress[] = [];
    const results = await evaluateVariants(model, [{}, { schedule, scheduleName: 'mine' }], {
      images: folder,
      batchSize: 5,
      onProgress: (p) => progress.push(p),
    });
    const labels = folder.images.map(({ label }) => label);
    const percent = (hits: boolean[]): number => (100 * hits.filter(Boolean).length) / hits.length;
    const agreement = percent(plain.map((prediction, image) => prediction === compressed[image]));
    expect(agreement).toBeLessThan(100);
    expect(results[0]).toMatchObject({
      model: 'small',
      method: 'uncompressed',
      schedule: null,
      images: 23,
      agreement: 100,
      kl: 0,
    });
    expect(results[0]?.top1).toBeCloseTo(percent(plain.map((prediction, image) => prediction === labels[image])), 9);
    expect(results[1]).toMatchObject({ method: 'diffrate', schedule: 'mine', images: 23, skipped: [] });
    expect(results[1]?.top1).toBeCloseTo(
      percent(compressed.map((prediction, image) => prediction === labels[image])),
      9,
    );
    expect(results[1]?.agreement).toBeCloseTo(agreement, 9);
    expect(results[1]?.kl).toBeGreaterThan(0);
    expect(results[1]?.gflops).toBeCloseTo(countFlops(network, schedule).total / 1e9, 12);
    expect(progress.map(({ images }) => images)).toEqual([5, 10, 15, 20, 23]);
    expect(progress.at(-1)).toMatchObject({ of: 23, secondsLeft: 0 });
  });

  it('gives the same whatever the batch size', async () => {
    const one = await evaluateModel(model, { images: folder, schedule, batchSize: 1 });
    const many = await evaluateModel(model, { images: folder, schedule, batchSize: 16 });
    expect(many.top1).toBe(one.top1);
    expect(many.kl).toBeCloseTo(one.kl ?? Number.NaN, 5);
  });

  it('gives no accuracy without labels, but agreement', async () => {
    await writeRandomImages(join(root, 'unlabelled'), 4);
    const result = await evaluateModel(model, { images: await openImageFolder(join(root, 'unlabelled')), schedule });
    expect(result).toMatchObject({ images: 4, top1: null, top5: null, loss: null });
    expect(result.agreement).not.toBeNull();
  });

  it('counts accuracy on the images that have a label', async () => {
    const found = await predictions(false);
    const images = folder.images.map(({ file }, index) => (index < 5 ? { file, label: found[index] ?? 0 } : { file }));
    const result = await evaluateModel(model, { images: { ...folder, images } });
    expect(result).toMatchObject({ images: 23, top1: 100, top5: 100 });
  });

  it('knows class folders by the model’s own names', async () => {
    const [first = 0] = await predictions(false);
    const named = join(root, 'named');
    mkdirSync(join(named, 'zebra'), { recursive: true });
    mkdirSync(join(named, 'ant'));
    copyFileSync(join(root, 'images', imageName(0)), join(named, 'zebra', 'a.png'));
    copyFileSync(join(root, 'images', imageName(0)), join(named, 'ant', 'b.png'));
    const others = Array.from({ length: classes }, (_, index) => `class ${index}`);
    const labels = { ...others, [first]: 'Zebra', [(first + 1) % classes]: 'ant' };
    const result = await evaluateModel({ ...model, labels }, { images: named });
    expect(result).toMatchObject({ images: 2, top1: 50 });
    const warnings: string[] = [];
    const unknown = await evaluateModel(model, { images: named, onWarning: (message) => warnings.push(message) });
    expect(unknown.top1).toBeNull();
    expect(warnings).toEqual([expect.stringMatching(/the network names no classes/)]);
  });

  it('takes any reducer, whose FLOPs are unknown unless told', async () => {
    const reducer = { ...diffRate(schedule, network), name: 'mine' };
    expect(await evaluateModel(model, { images: folder, reducer })).toMatchObject({ method: 'mine', gflops: null });
    expect(await evaluateModel(model, { images: folder, reducer, gflops: 0.5 })).toMatchObject({ gflops: 0.5 });
    await expect(evaluateModel(model, { images: folder, reducer, schedule })).rejects.toThrow(DiffrateError);
  });

  it('refuses a schedule for another number of blocks, before it reads an image', async () => {
    const short = { pruneKept: [17, 14], mergeKept: [17, 12] };
    const progress: EvaluationProgress[] = [];
    const evaluated = evaluateModel(model, { images: folder, schedule: short, onProgress: (p) => progress.push(p) });
    await expect(evaluated).rejects.toThrow(/are for 2 blocks but the network has 4/);
    expect(progress).toEqual([]);
  });

  it('measures an encoder by its features, labels or not, and by another objective where asked', async () => {
    const encoder = smallModel({ classes: 0 });
    const { answers } = encoder.network;
    const usual = await evaluateModel(encoder, { images: folder, schedule });
    expect(usual).toMatchObject({ top1: null, top5: null, loss: null, agreement: null, kl: null, images: 23 });
    expect(usual.objective).toEqual({ name: 'featureDistance', value: usual.featureDistance, unit: '1 − cosine' });
    expect(usual.featureDistance).toBeGreaterThan(0);
    expect(usual.neighbourAgreement).toBeGreaterThan(0);
    const objective = objectiveFor(answers, { name: 'regressionError' });
    const seen: number[] = [];
    const [plain, other] = await evaluateVariants(encoder, [{}, { schedule }], {
      images: folder,
      objective,
      onAnswers: (batch) => seen.push(batch.answers.length / batch.indices.length),
    });
    expect(plain?.objective).toEqual({ name: 'regressionError', value: 0, unit: 'standard deviations' });
    expect(other?.objective).toMatchObject({ name: 'regressionError', unit: 'standard deviations' });
    expect(other?.featureDistance).toBe(usual.featureDistance);
    expect(new Set(seen)).toEqual(new Set([answers.size]));
    const classifier = evaluateModel(encoder, { images: folder, reference: smallModel({ classes: 5 }) });
    await expect(classifier).rejects.toThrow(/^small reads other images than small, or gives other answers: /);
  });

  it('takes networks of oblong inputs with any prefix, in a runtime of one’s own', async () => {
    const prefixTokens = [
      { name: 'cls_token', count: 1 },
      { name: 'reg_token', count: 4 },
    ];
    const oblong = smallModel({ inputSize: { height: 24, width: 40 }, prefixTokens });
    const kept = { pruneKept: [20, 17, 14, 10], mergeKept: [20, 15, 12, 8] };
    const devices: (string | undefined)[] = [];
    const runtime: Runtime = {
      load(loaded, options) {
        devices.push(options?.device);
        return nodeRuntime.load(loaded, options);
      },
    };
    const few = { ...folder, images: folder.images.slice(0, 3) };
    const result = await evaluateModel(oblong, { images: few, schedule: kept, runtime, device: 'cpu' });
    expect(result.gflops).toBeCloseTo(countFlops(oblong.network, kept).total / 1e9, 12);
    expect(result.kl).toBeGreaterThan(0);
    expect(devices).toEqual(['cpu', 'cpu']);
  });

  it('decodes no image that is decoded already', async () => {
    const decoded = new DecodedImages();
    const first = await evaluateModel(model, { images: folder, schedule, decoded });
    expect(decoded.decodings).toBe(23);
    const second = await evaluateModel(model, { images: folder, schedule, decoded, batchSize: 4 });
    expect(decoded.decodings).toBe(23);
    expect(second.top1).toBe(first.top1);
  });

  it('names the first image whose label is out of range', async () => {
    await writeRandomImages(join(root, 'wrong'), 3, [0, classes, 1]);
    const wrong = await openImageFolder(join(root, 'wrong'));
    await expect(evaluateModel(model, { images: wrong })).rejects.toThrow(
      new RegExp(`label ${classes} .*001\\.png.*${classes} classes`),
    );
  });

  it('leaves broken images out with a reason, or fails where strict', async () => {
    await writeRandomImages(join(root, 'broken'), 5, [0, 1, 2, 3, 4]);
    writeFileSync(join(root, 'broken', imageName(2)), 'no image');
    const broken = await openImageFolder(join(root, 'broken'));
    const warnings: string[] = [];
    const result = await evaluateModel(model, {
      images: broken,
      schedule,
      batchSize: 2,
      onWarning: (message) => warnings.push(message),
    });
    expect(result.images).toBe(4);
    expect(result.skipped.map(({ file }) => file)).toEqual([imageName(2)]);
    expect(warnings).toHaveLength(1);
    await expect(evaluateModel(model, { images: broken, schedule, strict: true })).rejects.toThrow(/002\.png/);
  });
});

describe('networks that are files', () => {
  const file = onnxFileOf(networkModel(model, diffRate(schedule, network)));
  const broken = { bytes: file.bytes.slice(0, file.bytes.length / 2) };

  it('run as they are, and are told of as what is fixed in them', async () => {
    // The file of a schedule, said to be the plain network: it is the file that runs.
    const variants = [{ schedule }, { schedule, file }, { file }];
    const [own, same, plain] = await evaluateVariants(model, variants, { images: folder });
    const { imagesPerSecond: _, ...figures } = own ?? {};
    expect(same).toMatchObject(figures);
    expect(own?.kl).toBeGreaterThan(0);
    expect(plain).toMatchObject({ method: 'uncompressed', kl: own?.kl });
  });

  it('cannot be those of a method that keeps other numbers for each image', async () => {
    const { reducer } = buildMethod(parseMethod('ats:tokens=9'), network);
    await expect(evaluateModel(model, { images: folder, reducer, file })).rejects.toThrow(
      /A file cannot tell how many tokens/,
    );
  });

  it('end the evaluation where one cannot be loaded, or are left out', async () => {
    const variants = [{ schedule, file: broken }, { schedule }];
    await expect(evaluateVariants(model, variants, { images: folder })).rejects.toThrow(/cannot load the model/);
    const failures: string[] = [];
    const onFailure = (variant: number, error: unknown): void => void failures.push(`${variant}: ${String(error)}`);
    const seen: number[] = [];
    const onAnswers = ({ variant }: { readonly variant: number }): void => void seen.push(variant);
    const [none, other] = await evaluateEach(model, variants, { images: folder, onFailure, onAnswers });
    expect(none).toBeNull();
    expect(other?.images).toBe(23);
    expect(failures).toEqual([expect.stringMatching(/^0: DiffrateError: ONNX Runtime cannot load the model on "cpu"/)]);
    expect(new Set(seen)).toEqual(new Set([1]));
  });
});
