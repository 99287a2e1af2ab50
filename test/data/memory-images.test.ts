/** Images in memory: they load as the same images in files do, and bad ones are refused. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LIGHT_AUGMENTATION } from '../../src/data/augmentation.ts';
import { createImageLoader } from '../../src/data/batches.ts';
import type { ImageBatch, ImageLoaderOptions } from '../../src/data/batches.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { memoryImages } from '../../src/data/memory-images.ts';
import type { MemoryImage } from '../../src/data/memory-images.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import { openImages } from '../../src/data/open-images.ts';
import { square } from '../../src/data/preprocessing.ts';
import type { Preprocessing } from '../../src/data/preprocessing.ts';
import { RandomGenerator } from '../../src/data/random.ts';
import { DiffrateError } from '../../src/errors.ts';

const preprocessing: Preprocessing = {
  resize: square(24),
  crop: square(20),
  interpolation: 'bicubic',
  mean: [0.5, 0.4, 0.3],
  std: [0.2, 0.3, 0.4],
};

const random = new RandomGenerator(5);
const noise = (length: number): Uint8Array => Uint8Array.from({ length }, () => random.integer(256));
const images = Array.from({ length: 5 }, (_, index): MemoryImage => {
  const [width, height] = [30 + index, 40 - index];
  return { data: noise(width * height * 3), width, height, name: `${index}.png`, label: index % 3 };
});

let directory = '';
let folder: ImageSource;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-memory-'));
  for (const { data, width, height, name = '' } of images)
    await sharp(data, { raw: { width, height, channels: 3 } }).toFile(join(directory, name));
  folder = await openImageFolder(directory);
});
afterAll(() => rmSync(directory, { recursive: true }));

async function batches(options: Partial<ImageLoaderOptions> & Pick<ImageLoaderOptions, 'source'>, count: number) {
  const loader = createImageLoader({ preprocessing, batchSize: 2, ...options });
  const found: ImageBatch[] = [];
  try {
    for await (const batch of loader) if (found.push(batch) === count) break;
  } finally {
    await loader.close();
  }
  return found;
}

describe('images in memory', () => {
  it('load as files do, in order and shuffled with augmentation', async () => {
    const unlabelled = memoryImages(images.map(({ data, width, height, name }) => ({ data, width, height, name })));
    const orders: Partial<ImageLoaderOptions>[] = [
      {},
      { order: 'shuffled', seed: 3, augmentation: LIGHT_AUGMENTATION },
    ];
    for (const order of orders) {
      const own = await batches({ source: unlabelled, ...order }, 7);
      expect(own).toEqual(await batches({ source: folder, ...order }, 7));
      expect(own.length).toBeGreaterThan(2);
    }
  });

  it('have labels where all are given one', async () => {
    const [first] = await batches({ source: memoryImages(images) }, 1);
    expect([...(first?.labels ?? [])]).toEqual([0, 1]);
  });

  it('may be grey, or have an alpha that is ignored', async () => {
    const grey = noise(6);
    const rgba = Uint8ClampedArray.from(grey, (value) => value);
    const source = memoryImages([
      { data: grey, width: 2, height: 3 },
      { data: new Uint8ClampedArray(24).fill(7), width: 2, height: 3 },
    ]);
    const [first, second] = await Promise.all(source.images.map((image) => source.decode(image)));
    expect([...(first?.data ?? [])]).toEqual([...rgba].flatMap((value) => [value, value, value]));
    expect([first?.channels, second?.channels]).toEqual([3, 4]);
    expect(source.images.map(({ file }) => file)).toEqual(['image 0', 'image 1']);
  });

  it('are told apart by their pixels', async () => {
    const identity = memoryImages(images).identity();
    expect(await memoryImages(images.map((image) => ({ ...image }))).identity()).toBe(await identity);
    const [first, ...others] = images as [MemoryImage, ...MemoryImage[]];
    const changed = {
      ...first,
      data: Uint8Array.from(first.data, (value, index) => (index === 9 ? value ^ 1 : value)),
    };
    expect(await memoryImages([changed, ...others]).identity()).not.toBe(await identity);
  });

  const image = { data: new Uint8Array(12), width: 2, height: 2 };
  it.each([
    ['no image', [], /There are no images in 'images in memory'/],
    [
      'bytes that do not fit',
      [{ ...image, width: 3 }],
      /'image 0' of .* has 12 bytes, but 3 × 2 pixels are 6 \(grey\), 18/,
    ],
    [
      'floats',
      [{ ...image, data: new Float32Array(12) as unknown as Uint8Array }],
      /must have its pixels as bytes: give them as a Uint8Array/,
    ],
    [
      'nothing in the list',
      [undefined as unknown as MemoryImage],
      /Image 0 of .* is undefined: give \{ data, width, height \}/,
    ],
    ['no width', [{ ...image, width: 0 }], /is 0 × 2 pixels: both must be whole numbers from 1/],
    ['half a pixel', [{ ...image, height: 1.25 }], /is 2 × 1\.25 pixels/],
    [
      'the same name twice',
      [
        { ...image, name: 'a' },
        { ...image, name: 'a' },
      ],
      /Two images .* are called 'a'/,
    ],
    ['half a label', [{ ...image, label: 0.5 }], /has the label 0\.5/],
  ])('are refused with %s', (_, given, sentence) => {
    expect(() => memoryImages(given)).toThrow(DiffrateError);
    expect(() => memoryImages(given)).toThrow(sentence);
  });

  it('may have a label here and none there', () => {
    const { images, labelled } = memoryImages([{ ...image, label: 1 }, image]);
    expect(labelled).toBe(true);
    expect(images.map(({ label }) => label)).toEqual([1, undefined]);
  });
});

describe('openImages', () => {
  it('takes a folder, files, images in memory and a source', async () => {
    const names = async (input: Parameters<typeof openImages>[0], limit?: number): Promise<number> =>
      (await openImages(input, { limit })).images.length;
    expect(await names(directory, 3)).toBe(3);
    expect(await names(images)).toBe(5);
    expect(await names(images, 2)).toBe(2);
    expect(await openImages(folder)).toBe(folder);
    const files = images.slice(0, 2).map(({ name = '' }) => join(directory, name));
    const source = await openImages(files);
    const [own] = await batches({ source: source }, 1);
    const [whole] = await batches({ source: folder }, 1);
    expect(own?.pixels).toEqual(whole?.pixels);
  });

  it.each([5, null, { data: new Uint8Array(3) }])('refuses %j', async (input) => {
    const opened = openImages(input as unknown as string);
    await expect(opened).rejects.toThrow(
      /^Images must be the path of a folder, a list of paths, a list of images in memory/,
    );
  });

  it('refuses an empty list, and paths beside images', async () => {
    await expect(openImages([])).rejects.toThrow('The list of images is empty: give at least one.');
    const both = ['a.png', images[0]] as unknown as string[];
    await expect(openImages(both)).rejects.toThrow('has both paths and images in memory: give one kind');
  });
});
