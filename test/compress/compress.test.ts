/** The main job as a function: what it writes, what it measures of it, and what it tells. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compress } from '../../src/compress/compress.ts';
import type { CompressionResult, CompressProgress, OpenedCompression } from '../../src/compress/compress-options.ts';
import { createImageLoader } from '../../src/data/batches.ts';
import { MetricAccumulator } from '../../src/evaluation/metrics.ts';
import { isChanged } from '../../src/evaluation/predictions.ts';
import { NetworkSession } from '../../src/execution/network-session.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { changedHead } from './changed-head.ts';
import { schemaFaults } from '../report-schema.ts';
import { publishedOptions } from './small.ts';
import { changedWriter, demoOptions } from './demo.ts';

let root = '';
let options: Omit<OpenedCompression, 'directory'>;
let result: CompressionResult;
const progress: CompressProgress[] = [];
const folder = (name: string): string => join(root, name);

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'diffrate-compress-'));
  options = await demoOptions();
  result = await compress({ ...options, directory: folder('made'), dtypes: ['fp16', 'fp32', 'q8'] }, (report) =>
    progress.push(report),
  );
}, 180_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** KL of a written file to the plain network, computed without this library's evaluation. */
async function klOf(file: string): Promise<number | null> {
  const { model, evaluationImages } = options;
  if (evaluationImages === undefined) throw new Error('there are images');
  const metrics = new MetricAccumulator(model.network.answers);
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1 });
  const plain = await NetworkSession.load(model, { runtime: nodeRuntime, threads: 1 });
  const loader = createImageLoader({ source: evaluationImages, preprocessing: model.preprocessing, batchSize: 16 });
  for await (const { pixels, shape } of loader) {
    const { logits } = await session.run({ pixel_values: new Tensor('float32', pixels, shape) });
    metrics.add({ answers: logits?.data as Float32Array, reference: await plain.run(pixels) });
  }
  await Promise.all([loader.close(), session.release(), plain.dispose()]);
  return metrics.result().kl;
}

describe('compress', () => {
  it('writes the folder, leaves nothing beside it, and tells of every stage', () => {
    expect(readdirSync(root)).toEqual(['made']);
    expect(readdirSync(folder('made')).sort()).toEqual([
      'README.md',
      'config.json',
      'onnx',
      'preprocessor_config.json',
      'schedule.json',
    ]);
    expect(result).toMatchObject({ model: 'vit_demo_patch2_28', directory: folder('made'), search: { steps: 2 } });
    expect(result.gflops.after).toBeLessThanOrEqual(result.target);
    expect(result.target).toBeCloseTo(0.6 * result.gflops.before, 6);
    expect(result.history.length).toBeGreaterThan(2);
    expect(result.data).toBe('24 images of evaluation-images-idx3-ubyte.gz');
    const stages = [...new Set(progress.map(({ stage }) => stage))];
    expect(stages).toEqual(['search', 'evaluation', 'throughput']);
  });

  it('lets tokens go in the blocks alone that are worth it, and says so in the card', () => {
    const { mergeKept } = result.schedule;
    const between = mergeKept.slice(1, -1);
    const merging = between.filter((left, index) => left < (mergeKept[index] ?? 0)).length;
    expect(merging).toBeLessThan(between.length);
    expect(readFileSync(join(folder('made'), 'README.md'), 'utf8')).toContain(`Only ${merging} of them merge`);
  });

  it('measures every file, in the order asked for', async () => {
    expect(result.precisions.map(({ dtype }) => dtype)).toEqual(['fp16', 'fp32', 'q8']);
    for (const { file, bytes, evaluation, runs, failure } of result.precisions) {
      const path = join(folder('made'), file);
      expect(bytes).toBe(statSync(path).size);
      expect(failure).toBeNull();
      expect(evaluation?.kl).toBeCloseTo((await klOf(path)) ?? Number.NaN, 6);
      expect(evaluation).toMatchObject({ method: 'diffrate', images: 24, gflops: result.gflops.after });
      expect(runs.map(({ batch }) => batch)).toEqual([1, 16]);
      for (const run of runs) expect(run.flopsRatio).toBeCloseTo(result.gflops.realBefore / result.gflops.realAfter, 9);
    }
    const [half, single, quantized] = result.precisions;
    expect(new Set(result.precisions.map((each) => each.evaluation?.kl)).size).toBe(3);
    expect(single?.evaluation).toEqual(result.evaluation?.after);
    expect(single?.runs).toEqual(result.runs);
    expect(half?.bytes).toBeLessThan(0.6 * (single?.bytes ?? 0));
    expect(quantized?.bytes).toBeLessThan(half?.bytes ?? 0);
    expect(result.evaluation?.before).toMatchObject({ method: 'uncompressed', kl: 0, agreement: 100 });
  });

  it('keeps what the plain network and the compressed one in fp32 say of each image', () => {
    const { predictions, evaluation } = result;
    const files = new Set(predictions?.map(({ file }) => file));
    expect(files.size).toBe(24);
    const changed = predictions?.filter(isChanged).length ?? Number.NaN;
    expect(100 - (100 * changed) / 24).toBeCloseTo(evaluation?.after.agreement ?? Number.NaN, 9);
    const distance = predictions?.reduce((sum, one) => sum + one.distance, 0) ?? Number.NaN;
    expect(distance / 24).toBeCloseTo(evaluation?.after.kl ?? Number.NaN, 6);
    const right = predictions?.filter(({ label, after }) => after[0]?.class === label).length ?? Number.NaN;
    expect((100 * right) / 24).toBeCloseTo(evaluation?.after.top1 ?? Number.NaN, 9);
  });

  it('tells of all of them in the model card', () => {
    const card = readFileSync(join(folder('made'), 'README.md'), 'utf8');
    expect(card).toContain('| Precision | original | fp16 | fp32 | q8 |');
    for (const { evaluation } of result.precisions) expect(card).toContain(` ${evaluation?.kl?.toFixed(5)} |`);
    expect(card).toContain(`There are only 24 images to search on: `);
    expect(card).toContain('| runs well on |  | WebGPU (shader-f16) | everywhere | CPU, WebAssembly |');
    expect(card).not.toMatch(/single precision|a little differently|null|undefined|NaN/);
  });

  it('runs what lies on disk, and says in words which precision answers much less alike', async () => {
    let single: Buffer | undefined;
    const write = changedWriter((name, bytes) => {
      if (name === 'model.onnx') single = bytes;
      if (name === 'model_fp16.onnx') return changedHead(bytes, -1);
      return name === 'model_quantized.onnx' ? single : undefined;
    });
    const directory = folder('changed');
    const { precisions } = await compress({ ...options, directory, dtypes: ['fp32', 'fp16', 'q8'], write });
    const [fp32, fp16, q8] = precisions;
    const { images, top1, loss, kl } = fp32?.evaluation ?? {};
    expect(q8?.evaluation).toMatchObject({ images, top1, loss, kl });
    expect(q8?.bytes).toBe(fp32?.bytes);
    expect([fp32?.remark, q8?.remark]).toEqual([null, null]);
    expect(fp16?.evaluation?.kl).toBeGreaterThan(2 * (kl ?? Number.NaN));
    expect(fp16?.remark).toMatch(
      /^fp16 answers [\d.]+ times as far from the original as fp32 does: KL divergence .* instead of 0\.\d+\.$/,
    );
    expect(readFileSync(join(directory, 'README.md'), 'utf8')).toContain(fp16?.remark ?? 'a remark');
  });

  it('compares with fp32 in memory where no file of it was asked for', async () => {
    const half = await compress({ ...options, directory: folder('half'), dtypes: ['fp16'] });
    expect(half.precisions.map(({ dtype }) => dtype)).toEqual(['fp16']);
    expect(half.evaluation?.after.kl).toBeCloseTo(result.evaluation?.after.kl ?? Number.NaN, 9);
    expect(half.precisions[0]?.evaluation?.kl).not.toBe(half.evaluation?.after.kl);
    const card = readFileSync(join(folder('half'), 'README.md'), 'utf8');
    expect(card).toContain('| Precision | original | fp32 (no file) | fp16 |');
    expect(card).toContain('The folder holds no fp32 file');
  });

  it('of a published schedule is what the command’s schema says, without search and evaluation', async () => {
    const { directory, history, predictions, ...figures } = await compress({
      ...publishedOptions(),
      directory: folder('near'),
    });
    expect([figures.search, figures.evaluation, history, predictions]).toEqual([null, null, [], null]);
    const command = { out: directory, report: null, dataset: null, evaluationDataset: null };
    expect(schemaFaults('compress', { ...figures, ...command })).toEqual([]);
  });

  it('takes a published schedule without images, and names no option where none is near', async () => {
    const directory = folder('published');
    const { images: _, evaluationImages: __, ...bare } = options;
    const refused = compress({ ...bare, directory });
    await expect(refused).rejects.toThrow(/Without images only published .*: give images to search one on\.$/);
    await expect(refused).rejects.not.toThrow(/--/);
    expect(existsSync(directory)).toBe(false);
  });
});
