/** Evaluation of a small random network on generated images. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countFlops } from '../../src/cost/flops.ts';
import { createImageLoader } from '../../src/data/batches.ts';
import { openImageFolder } from '../../src/data/image-folder.ts';
import type { ImageFolder } from '../../src/data/image-folder.ts';
import { DiffrateError } from '../../src/errors.ts';
import { evaluateModel, evaluateVariants } from '../../src/evaluation/evaluate.ts';
import type { EvaluationProgress } from '../../src/evaluation/evaluate.ts';
import { NetworkSession } from '../../src/loading/network-session.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { imageName, writeRandomImages } from './random-images.ts';
import { smallConfiguration, smallNetwork } from './small-network.ts';

const schedule = { pruneKept: [17, 14, 10, 6], mergeKept: [17, 12, 8, 3] };
const tokens = 17;
const model = smallNetwork();
const { classes } = smallConfiguration;

let root = '';
let folder: ImageFolder;

/** Predictions of the plain network or one with a schedule, image by image. */
async function predictions(reduced: boolean): Promise<number[]> {
  const session = await NetworkSession.load(model, reduced ? { reducer: diffRate(schedule, tokens) } : {});
  const loader = createImageLoader({ folder, preprocessing: smallConfiguration.preprocessing, batchSize: 1 });
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
      folder,
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
    expect(results[1]?.gflops).toBeCloseTo(countFlops(smallConfiguration, schedule).total / 1e9, 12);
    expect(progress.map(({ images }) => images)).toEqual([5, 10, 15, 20, 23]);
    expect(progress.at(-1)).toMatchObject({ of: 23, secondsLeft: 0 });
  });

  it('gives the same whatever the batch size', async () => {
    const one = await evaluateModel(model, { folder, schedule, batchSize: 1 });
    const many = await evaluateModel(model, { folder, schedule, batchSize: 16 });
    expect(many.top1).toBe(one.top1);
    expect(many.kl).toBeCloseTo(one.kl ?? Number.NaN, 5);
  });

  it('gives no accuracy without labels, but agreement', async () => {
    await writeRandomImages(join(root, 'unlabelled'), 4);
    const result = await evaluateModel(model, { folder: await openImageFolder(join(root, 'unlabelled')), schedule });
    expect(result).toMatchObject({ images: 4, top1: null, top5: null, loss: null });
    expect(result.agreement).not.toBeNull();
  });

  it('takes any reducer, whose FLOPs are unknown unless told', async () => {
    const reducer = { ...diffRate(schedule, tokens), name: 'mine' };
    expect(await evaluateModel(model, { folder, reducer })).toMatchObject({ method: 'mine', gflops: null });
    expect(await evaluateModel(model, { folder, reducer, gflops: 0.5 })).toMatchObject({ gflops: 0.5 });
    await expect(evaluateModel(model, { folder, reducer, schedule })).rejects.toThrow(DiffrateError);
  });

  it('names the first image whose label is out of range', async () => {
    await writeRandomImages(join(root, 'wrong'), 3, [0, classes, 1]);
    const wrong = await openImageFolder(join(root, 'wrong'));
    await expect(evaluateModel(model, { folder: wrong })).rejects.toThrow(
      new RegExp(`label ${classes} .*001\\.png.*${classes} classes`),
    );
  });

  it('leaves broken images out with a reason, or fails where strict', async () => {
    await writeRandomImages(join(root, 'broken'), 5, [0, 1, 2, 3, 4]);
    writeFileSync(join(root, 'broken', imageName(2)), 'no image');
    const broken = await openImageFolder(join(root, 'broken'));
    const warnings: string[] = [];
    const result = await evaluateModel(model, {
      folder: broken,
      schedule,
      batchSize: 2,
      onWarning: (message) => warnings.push(message),
    });
    expect(result.images).toBe(4);
    expect(result.skipped.map(({ file }) => file)).toEqual([imageName(2)]);
    expect(warnings).toHaveLength(1);
    await expect(evaluateModel(model, { folder: broken, schedule, strict: true })).rejects.toThrow(/002\.png/);
  });
});
