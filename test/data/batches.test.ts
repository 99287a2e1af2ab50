/**
 * Batches: order, reproducibility, resuming, undecodable images, cache and the account of waiting.
 */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEIT_AUGMENTATION } from '../../src/data/augmentation.ts';
import { createImageLoader } from '../../src/data/batches.ts';
import type { ImageBatch, ImageLoader, ImageLoaderOptions } from '../../src/data/batches.ts';
import { DecodedImages } from '../../src/data/decoded-images.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import { openImages } from '../../src/data/open-images.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { preprocessImage } from '../../src/data/preprocess.ts';
import { RandomGenerator } from '../../src/data/random.ts';
import { DiffrateError, UsageError } from '../../src/errors.ts';
import { square } from '../../src/data/preprocessing.ts';
import type { Preprocessing } from '../../src/data/preprocessing.ts';

const preprocessing: Preprocessing = {
  resize: square(20),
  crop: square(16),
  interpolation: 'bicubic',
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};
const augmentation = { horizontalFlip: 0.5, randomResizedCrop: { scale: [0.5, 1] } } as const;
const BROKEN = 4;

let good = '';
let mixed = '';
let goodFolder: ImageSource;
let mixedFolder: ImageSource;
const open: ImageLoader[] = [];

beforeAll(async () => {
  good = mkdtempSync(join(tmpdir(), 'diffrate-batches-'));
  mixed = mkdtempSync(join(tmpdir(), 'diffrate-batches-'));
  const lines = ['file,label'];
  for (let index = 0; index < 11; index++) {
    const random = new RandomGenerator(index);
    const [width, height] = [24 + random.integer(20), 24 + random.integer(20)];
    const data = Buffer.from(Array.from({ length: width * height * 3 }, () => random.integer(256)));
    const image = sharp(data, { raw: { width, height, channels: 3 } });
    const bytes = await (index % 3 === 0 ? image.png() : image.jpeg()).toBuffer();
    const file = `${String(index).padStart(2, '0')}.${index % 3 === 0 ? 'png' : 'jpg'}`;
    writeFileSync(join(good, file), bytes);
    writeFileSync(join(mixed, file), index === 7 ? bytes.subarray(0, bytes.length / 2) : bytes);
    lines.push(`${file},${index * 10}`);
  }
  writeFileSync(join(mixed, `${String(BROKEN).padStart(2, '0')}.jpg`), 'a text that calls itself an image');
  writeFileSync(join(good, 'labels.csv'), lines.join('\n'));
  goodFolder = await openImageFolder(good);
  mixedFolder = await openImageFolder(mixed);
});

afterAll(async () => {
  await Promise.all(open.map((loader) => loader.close()));
  rmSync(good, { recursive: true });
  rmSync(mixed, { recursive: true });
});

function load(options: Partial<ImageLoaderOptions> = {}): ImageLoader {
  const loader = createImageLoader({ source: goodFolder, preprocessing, batchSize: 4, workers: 1, ...options });
  open.push(loader);
  return loader;
}

async function take(loader: ImageLoader, count = Infinity): Promise<ImageBatch[]> {
  const batches: ImageBatch[] = [];
  for await (const batch of loader) {
    batches.push(batch);
    if (batches.length >= count) break;
  }
  return batches;
}

test('in order: every image once, with its label, as preprocessing one by one gives it', async () => {
  const loader = load();
  const batches = await take(loader);
  expect(loader.steps).toBe(3);
  expect(batches.map(({ shape }) => shape[0])).toEqual([4, 4, 3]);
  expect(batches.flatMap(({ indices }) => [...indices])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(batches.flatMap(({ labels }) => [...(labels ?? [])])).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
  expect(batches[1]?.files).toEqual(['04.jpg', '05.jpg', '06.png', '07.jpg']);
  for (const { pixels, indices } of batches) {
    expect(pixels.length).toBe(indices.length * 768);
    for (const [slot, index] of indices.entries()) {
      const image = await goodFolder.decode(goodFolder.images[index] ?? { file: '' });
      expect(pixels.subarray(slot * 768, (slot + 1) * 768)).toEqual(preprocessImage(image, preprocessing));
    }
  }
  expect(loader.skipped).toEqual([]);
});

test('oblong inputs: plain and with the whole recipe', async () => {
  const oblong: Preprocessing = {
    ...preprocessing,
    resize: { height: 12, width: 24 },
    crop: { height: 10, width: 20 },
  };
  const [batch] = await take(load({ preprocessing: oblong, batchSize: 3 }), 1);
  expect(batch?.shape).toEqual([3, 3, 10, 20]);
  for (const slot of [0, 1, 2]) {
    const image = await goodFolder.decode(goodFolder.images[slot] ?? { file: '' });
    expect(batch?.pixels.subarray(slot * 600, (slot + 1) * 600)).toEqual(preprocessImage(image, oblong));
  }
  const options = { preprocessing: oblong, batchSize: 3, order: 'shuffled', augmentation: DEIT_AUGMENTATION } as const;
  const views = await take(load(options), 9);
  expect(new Set(views.map(({ pixels }) => String(pixels))).size).toBe(9);
  expect(views.every(({ shape, pixels }) => shape[3] === 20 && pixels.every((value) => Number.isFinite(value)))).toBe(
    true,
  );
});

test('shuffled: every image once per epoch, a new order in each, without end', async () => {
  const indices = (await take(load({ order: 'shuffled', batchSize: 5 }), 9)).flatMap((batch) => [...batch.indices]);
  const epochs = [0, 1, 2, 3].map((epoch) => indices.slice(epoch * 11, (epoch + 1) * 11));
  for (const epoch of epochs) expect([...epoch].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(new Set(epochs.map(String)).size).toBe(4);
});

test('a batch may be larger than the folder', async () => {
  const [batch] = await take(load({ order: 'shuffled', batchSize: 30 }), 1);
  expect(batch?.indices.length).toBe(30);
  expect(new Set(batch?.indices).size).toBe(11);
});

test('the same seed gives the same batches, however many threads, fetched ahead or cached', async () => {
  const options = { order: 'shuffled', seed: 5, augmentation } as const;
  const expected = await take(load(options), 8);
  for (const variant of [{ workers: 3, prefetch: 6 }, { cacheDecoded: false }, { cacheBytes: 9000, workers: 2 }]) {
    expect(await take(load({ ...options, ...variant }), 8)).toEqual(expected);
  }
  const other = await take(load({ ...options, seed: 6 }), 8);
  expect(other.map(({ indices }) => indices)).not.toEqual(expected.map(({ indices }) => indices));
});

test('an image looks different in the next epoch where it is augmented, and the same where not', async () => {
  const folder: ImageSource = { ...goodFolder, images: goodFolder.images.slice(3, 4) };
  const views = async (options: Partial<ImageLoaderOptions>): Promise<Set<string>> => {
    const batches = await take(load({ ...options, source: folder, order: 'shuffled', batchSize: 1 }), 6);
    return new Set(batches.map(({ pixels }) => String(pixels)));
  };
  expect((await views({})).size).toBe(1);
  expect((await views({ augmentation: { horizontalFlip: 0.5 } })).size).toBe(2);
  expect((await views({ augmentation })).size).toBe(6);
});

test('a run resumed at step n sees what the unbroken run saw, also with undecodable images', async () => {
  for (const folder of [goodFolder, mixedFolder]) {
    const options = { folder, order: 'shuffled', seed: 3, augmentation, batchSize: 3 } as const;
    const unbroken = await take(load(options), 12);
    expect(unbroken.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    for (const startStep of [1, 7]) {
      const resumed = await take(load({ ...options, startStep, workers: 2 }), 12 - startStep);
      expect(resumed).toEqual(unbroken.slice(startStep));
    }
  }
});

test('repeated augmentation with the whole recipe: other views of the same images, on any number of threads, resumable', async () => {
  const options = {
    order: 'shuffled',
    augmentation: DEIT_AUGMENTATION,
    repeatedAugmentation: 3,
    batchSize: 6,
  } as const;
  const unbroken = await take(load(options), 5);
  for (const { indices, pixels } of unbroken.slice(0, 1)) {
    expect(new Set(indices).size).toBe(2);
    const views = Array.from(indices, (_, slot) => String(pixels.subarray(slot * 768, (slot + 1) * 768)));
    expect(new Set(views).size).toBe(6);
  }
  expect(await take(load({ ...options, startStep: 2, workers: 2 }), 3)).toEqual(unbroken.slice(2));
});

test('undecodable images are left out, named once, and replaced where shuffled', async () => {
  const warnings: string[] = [];
  const onWarning = (message: string): void => void warnings.push(message);
  const loader = load({ source: mixedFolder, onWarning });
  const batches = await take(loader);
  expect(batches.flatMap(({ indices }) => [...indices])).toEqual([0, 1, 2, 3, 5, 6, 8, 9, 10]);
  expect(batches.map(({ shape, pixels }) => [shape[0], pixels.length / 768])).toEqual([
    [4, 4],
    [2, 2],
    [3, 3],
  ]);
  expect(batches[0]?.labels).toBeUndefined();
  expect(loader.skipped.map(({ file }) => file).sort()).toEqual(['04.jpg', '07.jpg']);
  expect(loader.skipped.every(({ reason }) => reason.length > 5)).toBe(true);
  expect(warnings.length).toBe(2);
  expect(warnings.join()).toContain("Cannot decode the image '07.jpg'");
  expect(await take(loader)).toEqual(batches);
  expect(warnings.length).toBe(2);

  const shuffled = await take(load({ source: mixedFolder, order: 'shuffled', onWarning }), 6);
  for (const { indices, shape } of shuffled) {
    expect(shape[0]).toBe(4);
    expect(indices.includes(4) || indices.includes(7)).toBe(false);
  }
  expect(warnings.length).toBe(4);
});

test('strict fails at the first undecodable image, naming it', async () => {
  for (const order of ['sequential', 'shuffled'] as const) {
    const failing = take(load({ source: mixedFolder, strict: true, order }), 5);
    await expect(failing).rejects.toThrow(
      /^Cannot decode the image '0[47]\.jpg' in '.*' \(.+\): replace or remove it\.$/,
    );
    await expect(failing).rejects.toThrow(DiffrateError);
  }
});

test('a folder in which nothing can be decoded is refused', async () => {
  const images = mixedFolder.images.filter((_, index) => index === 4 || index === 7);
  for (const order of ['sequential', 'shuffled'] as const) {
    const failing = take(load({ source: { ...mixedFolder, images }, order }), 3);
    await expect(failing).rejects.toThrow(/None of the 2 images in .* can be decoded/);
  }
});

test('waiting is counted while the consumer awaits a batch, and not while it works', async () => {
  const loader = load({ order: 'shuffled', prefetch: 2 });
  const iterator = loader[Symbol.asyncIterator]();
  let awaited = 0;
  for (let step = 0; step < 6; step++) {
    const start = performance.now();
    await iterator.next();
    awaited += performance.now() - start;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  expect(loader.startupMilliseconds).toBeGreaterThan(0);
  expect(loader.waitingMilliseconds).toBeGreaterThanOrEqual(loader.startupMilliseconds);
  expect(loader.waitingMilliseconds).toBeLessThanOrEqual(awaited);
});

test('how files are decoded belongs to the source: batches, single images, keys and identity', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'diffrate-decoding-'));
  const data = Buffer.from(Array.from({ length: 100 * 80 * 3 }, (_, index) => (index * 7 + (index >> 8)) % 256));
  const photo = sharp(data, { raw: { width: 100, height: 80, channels: 3 } });
  writeFileSync(join(folder, 'lying.jpg'), await photo.withMetadata({ orientation: 6 }).jpeg().toBuffer());
  const sources = await Promise.all([
    openImageFolder(folder),
    openImageFolder(folder, { decoder: 'exact' }),
    openImageFolder(folder, { ignoreOrientation: true }),
    openImageFolder(folder, { decoder: 'exact', ignoreOrientation: true }),
  ]);
  const decoded = new DecodedImages();
  const seen: string[] = [];
  for (const source of sources) {
    const [batch] = await take(load({ source, decoded }));
    const [image] = source.images;
    if (image === undefined) throw new Error('there is an image');
    const pixels = preprocessImage(await source.decode(image, preprocessing), preprocessing);
    expect(batch?.pixels).toEqual(pixels);
    seen.push(String(pixels));
  }
  expect(new Set(seen).size).toBe(4);
  expect(decoded.decodings).toBe(4);
  expect(new Set(await Promise.all(sources.map(({ identity }) => identity()))).size).toBe(4);
  expect(await sources[0]?.identity()).toBe(folder);
  await expect(openImages(sources[0] ?? '', { decoder: 'exact' })).rejects.toThrow(UsageError);
  const wrong = { decoder: 'fast' } as unknown as { decoder: 'exact' };
  await expect(openImages(folder, wrong)).rejects.toThrow('There is no `decoder` "fast": choose auto or exact.');
  rmSync(folder, { recursive: true });
});

test('an odd image is read with one warning; strict fails there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'diffrate-odd-'));
  const grey = sharp(
    Uint16Array.from({ length: 900 }, (_, index) => index % 200),
    {
      raw: { width: 30, height: 30, channels: 1 },
    },
  );
  writeFileSync(join(folder, 'odd.png'), await grey.toColourspace('grey16').png().toBuffer());
  const source = await openImageFolder(folder);
  const warnings: string[] = [];
  const batches = await take(
    load({
      source,
      order: 'shuffled',
      batchSize: 2,
      cacheDecoded: false,
      onWarning: (message) => warnings.push(message),
    }),
    3,
  );
  expect(batches.length).toBe(3);
  expect(warnings).toEqual([expect.stringMatching(/^The image 'odd\.png' in '.*' has 16 bits per colour, and .*\.$/)]);
  await expect(take(load({ source, strict: true }))).rejects.toThrow("'odd.png'");
  rmSync(folder, { recursive: true });
});

test('a file that vanished is skipped like one that cannot be decoded', async () => {
  const folder: ImageSource = { ...goodFolder, images: [...goodFolder.images, { file: 'gone.jpg', label: 1 }] };
  const loader = load({ source: folder });
  expect((await take(loader)).flatMap(({ indices }) => [...indices]).length).toBe(11);
  expect(loader.skipped[0]?.file).toBe('gone.jpg');
});

test('a closed loader and wrong options are refused', async () => {
  const loader = load();
  await loader.close();
  await expect(take(loader)).rejects.toThrow(/closed/);
  const wrong = [{ batchSize: 0 }, { workers: 1.5 }, { prefetch: 0 }, { startStep: -1 }, { repeatedAugmentation: 0 }];
  for (const options of [...wrong, { augmentation: { randomErasing: 2 } }]) {
    expect(() => load(options)).toThrow(UsageError);
  }
  expect(() => load({ preprocessing: { ...preprocessing, resize: { height: 20, width: 8 } } })).toThrow(
    /20×8 pixels\) must not be smaller than the crop \(16×16/,
  );
});

const photographs = join(process.env.DIFFRATE_DATA ?? '../shared/data', 'imagenet-val');
if (!existsSync(photographs)) console.warn(`skipped: real images are not at ${photographs}`);

test.skipIf(!existsSync(photographs))('photographs come out with plausible statistics', async () => {
  const folder = await openImageFolder(photographs, { limit: 24 });
  const imagenet: Preprocessing = {
    resize: square(256),
    crop: square(224),
    interpolation: 'bicubic',
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  };
  const batches = await take(load({ source: folder, preprocessing: imagenet, batchSize: 16 }));
  expect(batches.map(({ shape }) => shape)).toEqual([
    [16, 3, 224, 224],
    [8, 3, 224, 224],
  ]);
  const values = batches.flatMap(({ pixels }) => Array.from(pixels.filter((_, index) => index % 97 === 0)));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  expect(Math.abs(mean)).toBeLessThan(0.5);
  expect(variance).toBeGreaterThan(0.5);
  expect(variance).toBeLessThan(2);
});
