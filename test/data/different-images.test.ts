/** Copies of images count once, and few images are told of. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imagesInWords } from '../../src/compress/images-in-words.ts';
import { countImages, imageDigests, searchImagesRemark } from '../../src/data/different-images.ts';
import { memoryImages } from '../../src/data/memory-images.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';

let root = '';
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'diffrate-copies-'));
  await writeRandomImages(join(root, 'some'), 3);
  await writeRandomImages(join(root, 'more'), 5);
  for (const copy of ['a.png', 'b.png']) copyFileSync(join(root, 'some', '000.png'), join(root, 'some', copy));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('countImages', () => {
  it('counts copies under other names once: files, and images in memory', async () => {
    const folder = await openImageFolder(join(root, 'some'));
    expect(await countImages(folder)).toEqual({ given: 5, different: 3 });
    const first = { data: new Uint8Array(12).fill(7), width: 2, height: 2 };
    const second = { ...first, data: new Uint8Array(12).fill(8) };
    expect(await countImages(memoryImages([first, { ...first }, second]))).toEqual({ given: 3, different: 2 });
    // The same bytes in another shape are another image.
    const wide = { ...first, width: 4, height: 1 };
    expect(await countImages(memoryImages([first, wide]))).toEqual({ given: 2, different: 2 });
  });

  it('reads no image twice, and none of a source that is too large', async () => {
    const folder = await openImageFolder(join(root, 'some'));
    let read = 0;
    const counted = { ...folder, digestOf: () => Promise.resolve(String(read++)) };
    await imageDigests(counted);
    await countImages(counted);
    expect(read).toBe(5);
    const large = { ...counted, images: Array.from({ length: 5000 }, (_, index) => ({ file: `${index}.png` })) };
    expect(await countImages(large)).toEqual({ given: 5000, different: 5000 });
    expect(read).toBe(5);
  });

  it('takes an image that cannot be read for one of its own', async () => {
    const folder = await openImageFolder(join(root, 'some'));
    const broken = { ...folder, digestOf: () => Promise.reject(new Error('gone')) };
    expect(await countImages(broken)).toEqual({ given: 5, different: 5 });
  });
});

describe('images that cannot be decoded', () => {
  it('do not count, and are named', async () => {
    const folder = await openImageFolder(join(root, 'some'));
    const skipped = ['a.png', '001.png'].map((file) => ({ file, reason: 'damaged' }));
    const count = await countImages(folder, skipped);
    expect(count).toEqual({ given: 3, different: 2, undecodable: 2 });
    expect(searchImagesRemark(count)).toMatch(
      /only 2 different images .*\(1 more is a copy, 2 more cannot be decoded\)/,
    );
    expect(await imagesInWords(3, folder, folder, skipped)).toBe('3 images of some (2 different, searched on)');
  });
});

describe('searchImagesRemark', () => {
  it('says where there are few, or copies, or nothing', () => {
    expect(searchImagesRemark({ given: 1, different: 1 })).toMatch(
      /^There is only 1 image to search on: on others .*\.$/,
    );
    expect(searchImagesRemark({ given: 24, different: 1 })).toMatch(/only 1 different image .* \(23 more are copies\)/);
    expect(searchImagesRemark({ given: 31, different: 31 })).toMatch(/^There are only 31 images to search on/);
    expect(searchImagesRemark({ given: 300, different: 299 })).toBe(
      'Of the 300 images to search on, 1 is a copy of others, so that there are 299.',
    );
    expect(searchImagesRemark({ given: 32, different: 32 })).toBeUndefined();
  });
});

describe('imagesInWords', () => {
  it('marks images that were searched on, wherever they lie and whatever they are called', async () => {
    const [some, more] = [await openImageFolder(join(root, 'some')), await openImageFolder(join(root, 'more'))];
    expect(await imagesInWords(5, more, undefined)).toBe('5 images of more');
    expect(await imagesInWords(5, more, more)).toBe('5 images of more (searched on)');
    expect(await imagesInWords(5, more, some)).toBe('5 images of more (3 of them searched on)');
    expect(await imagesInWords(5, some, more)).toBe('5 images of some (3 different, searched on)');
    const one = { ...more, images: more.images.slice(4) };
    expect(await imagesInWords(1, one, some)).toBe('1 image of more');
  });
});
