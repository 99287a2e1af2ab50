/**
 * Each file is decoded once for each way to prepare it, whoever asks, and what is asked for does
 * not depend on it.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { STANDARD_AUGMENTATION } from '../../src/data/augmentation.ts';
import { createImageLoader } from '../../src/data/batches.ts';
import type { ImageBatch, ImageLoaderOptions } from '../../src/data/batches.ts';
import { DecodedImages, imageKey } from '../../src/data/decoded-images.ts';
import { encodeIdx } from '../../src/data/idx-file.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { resizeAndCrop } from '../../src/data/preprocess.ts';
import { square } from '../../src/data/preprocessing.ts';
import type { Preprocessing } from '../../src/data/preprocessing.ts';
import { RandomGenerator } from '../../src/data/random.ts';
import { readCroppedImage } from '../../src/data/read-image.ts';

const preprocessing: Preprocessing = {
  resize: square(20),
  crop: { height: 16, width: 12 },
  interpolation: 'bicubic',
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};
const count = 6;
const cropBytes = 3 * 16 * 12;

let directory = '';
let folder: ImageSource;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-decoded-'));
  for (let index = 0; index < count; index++) {
    const random = new RandomGenerator(index);
    const [width, height] = [24 + random.integer(20), 24 + random.integer(20)];
    const data = Buffer.from(Array.from({ length: width * height * 3 }, () => random.integer(256)));
    const image = sharp(data, { raw: { width, height, channels: 3 } });
    writeFileSync(join(directory, `${index}.jpg`), await image.jpeg().toBuffer());
  }
  folder = await openImageFolder(directory);
});

afterAll(() => rmSync(directory, { recursive: true }));

/** The first batches of a loader; all of them where it has an end. */
async function batchesOf(options: Partial<ImageLoaderOptions>, most = Infinity): Promise<ImageBatch[]> {
  const loader = createImageLoader({ source: folder, preprocessing, batchSize: 4, workers: 1, ...options });
  const batches: ImageBatch[] = [];
  try {
    for await (const batch of loader) {
      batches.push(batch);
      if (batches.length >= most) break;
    }
  } finally {
    await loader.close();
  }
  return batches;
}

test('two loaders and one picture decode each file once, and give what they give alone', async () => {
  const decoded = new DecodedImages();
  const shuffled = { order: 'shuffled', augmentation: { horizontalFlip: 0.5 } } as const;
  expect(await batchesOf({ ...shuffled, decoded }, 5)).toEqual(await batchesOf(shuffled, 5));
  expect(decoded.decodings).toBe(count);
  expect(await batchesOf({ decoded })).toEqual(await batchesOf({}));
  for (const image of folder.images) {
    const { data, width, height } = await readCroppedImage(folder, image, preprocessing, { decoded });
    const own = resizeAndCrop(await folder.decode(image), preprocessing);
    expect([width, height]).toEqual([12, 16]);
    expect([...data]).toEqual([...own.data]);
    expect(await readCroppedImage(folder, image, preprocessing)).toEqual(own);
  }
  expect(decoded.decodings).toBe(count);
});

test('loaders and pictures that run side by side decode each file once, too', async () => {
  const decoded = new DecodedImages();
  const [picture] = folder.images;
  if (picture === undefined) throw new Error('there are images');
  const [one, other, pixels, again] = await Promise.all([
    batchesOf({ decoded }),
    batchesOf({ order: 'shuffled', batchSize: 9, repeatedAugmentation: 2, workers: 2, decoded }, 4),
    readCroppedImage(folder, picture, preprocessing, { decoded }),
    readCroppedImage(folder, picture, preprocessing, { decoded }),
  ]);
  expect(one).toEqual(await batchesOf({}));
  expect(other).toEqual(await batchesOf({ order: 'shuffled', batchSize: 9, repeatedAugmentation: 2 }, 4));
  expect([...pixels.data]).toEqual([...again.data]);
  expect(decoded.decodings).toBe(count);
});

test('a picture that comes first is decoded for the loaders', async () => {
  const decoded = new DecodedImages();
  for (const image of folder.images) await readCroppedImage(folder, image, preprocessing, { decoded });
  expect(await batchesOf({ decoded })).toEqual(await batchesOf({}));
  expect(decoded.decodings).toBe(count);
});

test('random crops need whole images, which are kept beside the crops', async () => {
  const decoded = new DecodedImages();
  const options = { order: 'shuffled', augmentation: STANDARD_AUGMENTATION } as const;
  await batchesOf({ decoded });
  expect(await batchesOf({ ...options, decoded }, 4)).toEqual(await batchesOf(options, 4));
  expect(decoded.decodings).toBe(2 * count);
  // Whole images are the same for every size.
  await batchesOf({ ...options, preprocessing: { ...preprocessing, crop: square(8) }, decoded }, 4);
  expect(decoded.decodings).toBe(2 * count);
});

test('once full it stays as it is, and what does not fit is decoded again', async () => {
  const decoded = new DecodedImages({ bytes: 2.5 * cropBytes });
  expect(await batchesOf({ decoded })).toEqual(await batchesOf({}));
  expect(decoded.hasRoom).toBe(false);
  expect(decoded.decodings).toBe(count);
  expect(await batchesOf({ decoded })).toEqual(await batchesOf({}));
  expect(decoded.decodings).toBe(count + count - 2);
  decoded.clear();
  expect(decoded.hasRoom).toBe(true);
  await batchesOf({ decoded: new DecodedImages({ bytes: 0 }) });
});

test('a file that cannot be decoded holds up nobody', async () => {
  const decoded = new DecodedImages();
  const broken: ImageSource = { ...folder, images: [{ file: 'gone.jpg' }, ...folder.images] };
  const loaders = [batchesOf({ source: broken, decoded }), batchesOf({ source: broken, decoded })];
  for (const batches of await Promise.all(loaders)) {
    expect(batches.flatMap(({ files }) => files)).toEqual(folder.images.map(({ file }) => file));
  }
  await expect(readCroppedImage(broken, { file: 'gone.jpg' }, preprocessing, { decoded })).rejects.toThrow(/gone\.jpg/);
  expect(decoded.decodings).toBe(count);
});

test('a loader that is closed holds up nobody', async () => {
  const decoded = new DecodedImages();
  const loader = createImageLoader({ source: folder, preprocessing, batchSize: 2, workers: 1, prefetch: 3, decoded });
  const first = loader[Symbol.asyncIterator]().next();
  first.catch(() => {});
  await Promise.resolve();
  await loader.close();
  expect(await batchesOf({ decoded })).toEqual(await batchesOf({}));
});

test('images in memory are not kept', async () => {
  const file = join(directory, 'images');
  writeFileSync(file, encodeIdx({ dimensions: [2, 30, 30], data: new Uint8Array(2 * 30 * 30).fill(7) }));
  const idx = await openImageFolder(file);
  const decoded = new DecodedImages();
  await batchesOf({ source: idx, decoded });
  await readCroppedImage(idx, { file: 'images#0' }, preprocessing, { decoded });
  expect(decoded.decodings).toBe(0);
});

test('the key names what a kept image depends on, and nothing else', () => {
  const key = (changes: Partial<Preprocessing>) =>
    imageKey('/a.jpg', { preprocessing: { ...preprocessing, ...changes } });
  expect(key({})).toBe(key({ resizeMode: 'cover', mean: [0, 0, 0], std: [1, 1, 1] }));
  const others = [
    key({ resize: square(21) }),
    key({ resize: { height: 20, width: 21 } }),
    key({ crop: { height: 12, width: 16 } }),
    key({ resizeMode: 'stretch' }),
    key({ interpolation: 'bilinear' }),
    imageKey('/b.jpg', { preprocessing }),
    imageKey('/a.jpg', { preprocessing, augmentation: { randomResizedCrop: {} } }),
  ];
  expect(new Set([key({}), ...others]).size).toBe(8);
  expect(imageKey('/a.jpg', { preprocessing, augmentation: { horizontalFlip: 1, cropPadding: 2 } })).toBe(key({}));
});
