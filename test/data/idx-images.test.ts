/** IDX files in place of image folders: labels, names, pixels, and the loader on top of them. */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fashionMnist } from '../../examples/demo-model/fashion-mnist.ts';
import { createImageLoader } from '../../src/data/batches.ts';
import type { ImageBatch } from '../../src/data/batches.ts';
import { encodeIdx, readIdxFile } from '../../src/data/idx-file.ts';
import { checkLabels } from '../../src/data/image-source.ts';
import type { SourceImage } from '../../src/data/image-source.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import type { OpenImageFolderOptions } from '../../src/data/open-image-folder.ts';
import { preprocessImage } from '../../src/data/preprocess.ts';
import { DiffrateError } from '../../src/errors.ts';
import { square } from '../../src/data/preprocessing.ts';
import type { Preprocessing } from '../../src/data/preprocessing.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-idx-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const [count, height, width] = [7, 3, 4];
const pixels = Uint8Array.from({ length: count * height * width }, (_, index) => (index * 37) % 256);
const images = encodeIdx({ dimensions: [count, height, width], data: pixels });
const labels = encodeIdx({ dimensions: [count], data: Uint8Array.of(3, 1, 4, 1, 5, 9, 2) });

function put(name: string, bytes: Uint8Array): string {
  const file = join(directory, name);
  writeFileSync(file, name.endsWith('.gz') ? gzipSync(bytes) : bytes);
  return file;
}

async function refusal(file: string, options: OpenImageFolderOptions = {}): Promise<string> {
  const error: unknown = await openImageFolder(file, options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DiffrateError);
  const message = error instanceof Error ? error.message : '';
  expect(message).toMatch(/^[^\n]+\.$/);
  return message;
}

test.each([
  ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte'],
  ['train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte.gz'],
  ['train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte'],
  ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte.gz'],
  ['my-images-28', 'my-labels-28'],
  ['images.idx3', 'labels.idx1'],
])('%s finds its labels in %s', async (imagesName, labelsName) => {
  const file = put(imagesName, images);
  put(labelsName, labels);
  const folder = await openImageFolder(file, { strict: true });
  expect(folder.name).toBe(file);
  expect(folder.labelled).toBe(true);
  expect(folder.images.map(({ label }) => label)).toEqual([3, 1, 4, 1, 5, 9, 2]);
  expect(folder.images[6]?.file).toBe(`${imagesName.replace('.gz', '')}#6`);
  expect(() => checkLabels(folder, 9)).toThrow(/The label 9 of '.*#5' in '.*' is out of range/);
});

test('grey becomes red, green and blue', async () => {
  const folder = await openImageFolder(put('images', images));
  const image = await folder.decode(folder.images[2] ?? { file: '' });
  expect([image.width, image.height, image.channels]).toEqual([width, height, 3]);
  const expected = pixels.subarray(2 * height * width, 3 * height * width);
  expect([...image.data]).toEqual([...expected].flatMap((value) => [value, value, value]));
});

test('without a labels file there are no labels, with a warning', async () => {
  for (const name of ['train-images-idx3-ubyte', 'digits']) {
    const file = put(name, images);
    const warnings: string[] = [];
    const folder = await openImageFolder(file, { onWarning: (message) => warnings.push(message) });
    expect(folder.labelled).toBe(false);
    expect(folder.images[0]).toEqual({ file: `${name}#0` });
    expect(warnings.join()).toMatch(/^No labels file lies beside '.*' \(.+\): its images have no labels\.$/);
    expect(await refusal(file, { strict: true })).toBe(warnings.join());
  }
});

test('labels of other images, a damaged labels file, and labels given as images are refused', async () => {
  const file = put('a-images-b', images);
  put('a-labels-b', encodeIdx({ dimensions: [count - 1], data: new Uint8Array(count - 1) }));
  expect(await refusal(file)).toMatch(/'.*a-labels-b' holds 6 labels for the 7 images of '.*a-images-b'/);
  put('a-labels-b', labels.subarray(0, 10));
  expect(await refusal(file)).toMatch(/a-labels-b' promises 7 = 7 bytes, but only 2 are there/);
  put('a-labels-b', images);
  expect(await refusal(file)).toMatch(/holds 7×3×4 labels/);
  put('a-labels-b', labels);
  expect(await refusal(join(directory, 'a-labels-b'))).toMatch(/has one dimension .* give the images file/);
  expect(await refusal(put('colour', encodeIdx({ dimensions: [1, 2, 2, 3], data: new Uint8Array(12) })))).toMatch(
    /has 4 dimensions and not the three/,
  );
});

const preprocessing: Preprocessing = {
  resize: square(3),
  crop: square(3),
  interpolation: 'bilinear',
  mean: [0.3, 0.4, 0.5],
  std: [0.2, 0.3, 0.4],
};

async function take(loader: AsyncIterable<ImageBatch>, batches = Infinity): Promise<ImageBatch[]> {
  const taken: ImageBatch[] = [];
  for await (const batch of loader) {
    taken.push(batch);
    if (taken.length >= batches) break;
  }
  return taken;
}

test('the loader gives the same pixels as reading one by one, also for a part in another order', async () => {
  put('labels', labels);
  const whole = await openImageFolder(put('images', images));
  const folder = { ...whole, images: [5, 0, 6].map((index) => whole.images[index] ?? { file: '' }) };
  const loader = createImageLoader({ source: folder, preprocessing, batchSize: 2, workers: 1 });
  try {
    const batches = await take(loader);
    expect(batches.flatMap(({ files }) => files)).toEqual(['images#5', 'images#0', 'images#6']);
    expect(batches.flatMap((batch) => [...(batch.labels ?? [])])).toEqual([9, 3, 2]);
    for (const { pixels: values, indices } of batches) {
      for (const [slot, index] of indices.entries()) {
        const image = await folder.decode(folder.images[index] ?? { file: '' });
        expect(values.subarray(slot * 27, (slot + 1) * 27)).toEqual(preprocessImage(image, preprocessing));
      }
    }
  } finally {
    await loader.close();
  }
});

test('a limit takes some images, always the same', async () => {
  const file = put('images', images);
  const taken = async (): Promise<readonly SourceImage[]> => (await openImageFolder(file, { limit: 2 })).images;
  const first = await taken();
  expect(first).toHaveLength(2);
  expect(await taken()).toEqual(first);
});

test('labels may be another file, or none', async () => {
  const file = put('images', images);
  const named = await openImageFolder(file, { labels: put('others', labels) });
  expect(named.images.map(({ label }) => label)).toEqual([3, 1, 4, 1, 5, 9, 2]);
  expect(named.labelling).toEqual({ origin: 'labels file', how: 'from others' });
  expect((await openImageFolder(file, { labels: 'none' })).labelled).toBe(false);
  await expect(openImageFolder(file, { labels: 'folders' })).rejects.toThrow(/is one file and has no sub-folders/);
});

const there = existsSync(fashionMnist.training) && existsSync(fashionMnist.test);
if (!there) console.warn(`skipped: Fashion-MNIST is not at ${fashionMnist.training} (Debian: dataset-fashion-mnist)`);

test.skipIf(!there)(
  'Fashion-MNIST: 60,000 and 10,000 images, as many of each class, and known mean pixels',
  async () => {
    // Mean and deviation of the training pixels, which the literature gives as 0.2860 and 0.3530.
    for (const [file, images, mean] of [
      [fashionMnist.training, 60_000, 0.286],
      [fashionMnist.test, 10_000, 0.2868],
    ] as const) {
      const folder = await openImageFolder(file, { strict: true });
      expect(folder.images.length).toBe(images);
      const counts = Array.from({ length: 10 }, () => 0);
      for (const { label = -1 } of folder.images) counts[label]!++;
      expect(counts).toEqual(Array.from({ length: 10 }, () => images / 10));
      const { data } = await readIdxFile(file);
      expect(data.length).toBe(images * 28 * 28);
      let sum = 0;
      for (const value of data) sum += value;
      expect(sum / data.length / 255).toBeCloseTo(mean, 3);
    }
  },
);
