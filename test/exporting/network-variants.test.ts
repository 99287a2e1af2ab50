/**
 * Networks that are not the usual ViT go through search and export, and transformers.js runs what
 * comes out: one channel, no class token, a norm of tokens before the mean, other activations.
 */
import { env, pipeline, RawImage } from '@huggingface/transformers';
import type { ImageClassificationPipeline } from '@huggingface/transformers';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryImages } from '../../src/data/memory-images.ts';
import { preprocessImage } from '../../src/data/preprocess.ts';
import type { RgbImage } from '../../src/data/pillow-resize.ts';
import { NetworkSession } from '../../src/execution/network-session.ts';
import { exportModel } from '../../src/exporting/export-model.ts';
import { preprocessingFromProcessor } from '../../src/loading/preprocessor-configuration.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { searchSchedule } from '../../src/search/search.ts';
import { randomModel, randomValues } from '../random-network.ts';
import { narrowSizes } from '../small-networks.ts';

env.allowRemoteModels = false;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffrate-variants-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Grey images of the network's own size, so that both libraries read the same pixels. */
const images = Array.from({ length: 8 }, (_, seed): RgbImage => {
  const values = randomValues(32 * 32, seed + 1).map((value) => Math.round((value + 1) * 127.5));
  const data = Uint8Array.from({ length: 3 * 32 * 32 }, (__, index) => values[Math.floor(index / 3)] ?? 0);
  return { data, width: 32, height: 32, channels: 3 };
});

const variants = [
  ['one channel, SiLU', { channels: 1, activation: 'silu' }],
  ['no class token, tanh GELU', { pool: 'mean', prefixTokens: [], activation: 'gelu_pytorch_tanh' }],
  [
    'no class token, a norm before the mean, ReLU',
    { pool: 'mean', lastNorm: 'norm', prefixTokens: [], activation: 'relu' },
  ],
] as const;

describe.each(variants)('%s', (name, sizes) => {
  it('is searched, exported and run', async () => {
    const configuration = { ...narrowSizes, ...sizes };
    const channels = configuration.channels;
    const size = { height: 32, width: 32 };
    const own = channels === 1 ? [0.4] : [0.5, 0.4, 0.3];
    const processor = { image_processor_type: 'ViTImageProcessor', size: 32, image_mean: own, image_std: own };
    const preprocessing = preprocessingFromProcessor(processor, { ...size, channels }, 'a file');
    const model = { ...randomModel(configuration, []), preprocessing };
    const { schedule } = await searchSchedule({
      model,
      images: memoryImages(images),
      preset: 'small-data',
      steps: 2,
      batchSize: 4,
      seed: 1,
      threads: 1,
      runtime: nodeRuntime,
      target: { ratio: 0.85 },
    });
    expect(Math.min(...schedule.mergeKept)).toBeLessThan(model.network.layout.prefix + 16);

    const directory = join(folder, name.replaceAll(/\W/g, '-'));
    await exportModel({ model, schedule, directory });
    const session = await NetworkSession.load(model, {
      runtime: nodeRuntime,
      reducer: diffRate(schedule, model.network),
    });
    const [image] = images as [RgbImage];
    const wanted = await session.run(preprocessImage(image, preprocessing));
    await session.dispose();
    const run = (await pipeline('image-classification', directory, {
      dtype: 'fp32',
      local_files_only: true,
    })) as ImageClassificationPipeline;
    const raw = (): RawImage => new RawImage(Uint8ClampedArray.from(image.data), 32, 32, 3);
    const answers = await run(channels === 1 ? raw().grayscale() : raw(), { top_k: 7 });
    const logits = [...wanted];
    const total = logits.reduce((sum, value) => sum + Math.exp(value), 0);
    for (const { label, score } of answers as { label: string; score: number }[])
      expect(score).toBeCloseTo(Math.exp(logits[Number(label.slice('LABEL_'.length))] ?? NaN) / total, 4);
    if (channels === 1) {
      await expect(run(raw())).rejects.toThrow(/must match the number of channels/);
      expect(await readFile(join(directory, 'README.md'), 'utf8')).toContain("RawImage.read('photo.jpg')).grayscale()");
    }
    await run.dispose();
  });
});
