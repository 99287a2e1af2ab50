/**
 * Traced networks and the pictures of images: counts against the schedule, networks with a class
 * token and mean-pooled ones, IDX images.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeIdx } from '../../src/data/idx-file.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { keepAllTokens } from '../../src/reduction/token-reducer.ts';
import { sampleImages } from '../../src/report/image-sample.ts';
import { pictureFiles } from '../../src/report/picture-files.ts';
import { defaultBlocks, drawPictures, encodePng, pictureStrip } from '../../src/report/picture-series.ts';
import type { PictureSeries } from '../../src/report/picture-series.ts';
import { randomModel, randomValues, smallSchedule, writeRandomImage } from '../random-network.ts';
import { smallModel } from '../small-networks.ts';
import type { SmallSizes } from '../small-networks.ts';
import { square } from '../../src/data/preprocessing.ts';
import type { ImageSize } from '../../src/data/preprocessing.ts';
import type { Model } from '../../src/networks/model.ts';

/** Whether two pictures' bytes are equal; vitest's own comparison takes seconds for them. */
const sameBytes = (one: ArrayLike<number> = [], other: ArrayLike<number> = []): boolean =>
  one.length > 0 && Buffer.from(Uint8Array.from(one)).equals(Uint8Array.from(other));

let directory = '';
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-pictures-'));
  for (const [index, name] of ['a.png', 'b.png'].entries())
    await writeRandomImage(join(directory, name), 60, 44, index + 1);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const small = randomModel();
const reducer = diffRate(smallSchedule, small.network);

/** Mean-pooled, and of 14×14 patches of 2 pixels, as for Fashion-MNIST. */
const meanPooled = modelFor(square(28), { patchSize: 2, pool: 'mean' });

/** A network of another input, whose images are resized to it. */
function modelFor(inputSize: ImageSize, changes: SmallSizes): Model {
  const model = smallModel({ ...changes, inputSize });
  return {
    ...model,
    preprocessing: { ...model.preprocessing, resize: inputSize },
  };
}

describe('pictures of images', () => {
  it('follow the schedule: every patch is kept, merged or pruned, and as many tokens are left as it says', async () => {
    const folder = await openImageFolder(directory);
    const request = { network: small, source: folder, images: folder.images, blocks: [1, 3, 4] };
    const series = await drawPictures({ ...request, reducer });
    expect(series.map(({ file }) => file)).toEqual(['a.png', 'b.png']);
    for (const { input, blocks, counts } of series) {
      expect(input.width).toBe(448);
      expect(blocks.map(({ block, picture }) => [block, picture.width, picture.height])).toEqual([
        [1, 448, 448],
        [3, 448, 448],
        [4, 448, 448],
      ]);
      expect(counts.map(({ tokens }) => tokens)).toEqual([17, 14, 10, 5]);
      for (const { tokens, untouched, mergedTokens, mergedPatches, prunedPatches } of counts) {
        expect(untouched + mergedTokens).toBe(tokens - 1);
        expect(untouched + mergedPatches + prunedPatches).toBe(16);
      }
      // Two of 17 tokens are pruned in the second block, which stand for a patch each.
      expect(counts[0]).toEqual({ tokens: 17, untouched: 16, mergedTokens: 0, mergedPatches: 0, prunedPatches: 0 });
      expect(counts[1]?.prunedPatches).toBe(2);
      expect(counts[1]?.mergedPatches).toBeGreaterThan(1);
      expect(sameBytes(blocks[0]?.picture.data, input.data)).toBe(true);
      expect(sameBytes(blocks[1]?.picture.data, input.data)).toBe(false);
    }
    expect(sameBytes(series[0]?.blocks[2]?.picture.data, series[1]?.blocks[2]?.picture.data)).toBe(false);
  });

  it('are those of the input where nothing is removed', async () => {
    const folder = await openImageFolder(directory);
    const [series] = await drawPictures({
      network: small,
      reducer: keepAllTokens,
      source: folder,
      images: folder.images.slice(0, 1),
      blocks: [4],
    });
    expect(sameBytes(series?.blocks[0]?.picture.data, series?.input.data)).toBe(true);
  });

  it('of a mean-pooled network with small patches, from an IDX file', async () => {
    const data = Uint8Array.from(randomValues(3 * 28 * 28, 9), (value) => (value + 1) * 127);
    const file = join(directory, 'few-images-idx3-ubyte');
    await writeFile(file, encodeIdx({ dimensions: [3, 28, 28], data }));
    const folder = await openImageFolder(file);
    const kept = { pruneKept: [197, 150, 100, 60], mergeKept: [190, 120, 80, 30] };
    const series = await drawPictures({
      network: meanPooled,
      reducer: diffRate(kept, meanPooled.network),
      source: folder,
      images: folder.images,
      blocks: [4],
    });
    expect(series).toHaveLength(3);
    expect(series[0]?.input.width).toBe(448);
    // A pixel of the file is 16 × 16 pixels of the picture.
    const { data: pixels } = series[1]?.input ?? { data: [] };
    expect([pixels[0], pixels[16 * 3], pixels[(16 * 448 + 15) * 3 + 2]]).toEqual([
      data[784],
      data[785],
      data[784 + 28],
    ]);
    expect(series.map(({ counts }) => counts.at(-1)?.tokens)).toEqual([30, 30, 30]);
  });

  it.each([
    ['no prefix', []],
    ['a class token and four registers', ['cls_token', 'reg_token']],
  ])('of an oblong network with %s', async (_, names) => {
    const prefixTokens = names.map((name) => ({ name, count: name === 'cls_token' ? 1 : 4 }));
    const model = modelFor(
      { height: 24, width: 40 },
      { prefixTokens, pool: names.length === 0 ? 'mean' : 'class-token' },
    );
    const prefix = names.length === 0 ? 0 : 5;
    const tokens = prefix + 15;
    const kept = { pruneKept: [tokens, tokens - 3, tokens - 6], mergeKept: [tokens, tokens - 5, prefix + 4] };
    const folder = await openImageFolder(directory);
    const [series] = await drawPictures({
      network: model,
      reducer: diffRate(
        { pruneKept: [...kept.pruneKept, prefix + 4], mergeKept: [...kept.mergeKept, prefix + 2] },
        model.network,
      ),
      source: folder,
      images: folder.images.slice(0, 1),
      blocks: [1, 4],
    });
    // 40 pixels become 480: the longer side has at least 448.
    expect(series?.input).toMatchObject({ width: 480, height: 288 });
    expect(series?.blocks.map(({ picture }) => [picture.width, picture.height])).toEqual([
      [480, 288],
      [480, 288],
    ]);
    expect(series?.prefix).toBe(prefix);
    expect(series?.counts.map((counts) => counts.tokens)).toEqual([tokens, tokens - 5, prefix + 4, prefix + 2]);
    for (const counts of series?.counts ?? []) {
      expect(counts.untouched + counts.mergedTokens).toBe(counts.tokens - prefix);
      expect(counts.untouched + counts.mergedPatches + counts.prunedPatches).toBe(15);
    }
    expect(sameBytes(series?.blocks[0]?.picture.data, series?.input.data)).toBe(true);
    expect(pictureStrip(series as PictureSeries)).toMatchObject({ width: 3 * 480 + 2 * 12, height: 288 });
  });

  it('say which block is not there', async () => {
    const folder = await openImageFolder(directory);
    const request = { network: small, reducer: keepAllTokens, source: folder, images: folder.images, blocks: [1, 5] };
    await expect(drawPictures(request)).rejects.toThrow(/There is no block 5 in small-vit: its blocks are 1 to 4\./);
  });

  it('leave out what cannot be decoded where a warning is wanted, and end where nothing can', async () => {
    const broken = mkdtempSync(join(directory, 'broken-'));
    await writeFile(join(broken, 'x.png'), 'no image');
    const folder = await openImageFolder(broken);
    const request = { network: small, reducer: keepAllTokens, source: folder, images: folder.images, blocks: [1] };
    await expect(drawPictures(request)).rejects.toThrow(/x\.png/);
    const warnings: string[] = [];
    await expect(drawPictures({ ...request, onWarning: (message) => warnings.push(message) })).rejects.toThrow(
      /None of the images .* can be decoded/,
    );
    expect(warnings).toHaveLength(1);
  });
});

describe('chosen blocks and images', () => {
  it('are those of the paper and the last one with patches', () => {
    const blocks = (tokens: readonly number[], prefix = 1): number[] => defaultBlocks(tokens, { prefix });
    expect(blocks(Array<number>(12).fill(50))).toEqual([1, 4, 8, 12]);
    expect(blocks([...Array<number>(11).fill(50), 1])).toEqual([1, 4, 8, 11]);
    expect(blocks([...Array<number>(5).fill(50), ...Array<number>(7).fill(1)])).toEqual([1, 4, 5]);
    expect(blocks(Array<number>(24).fill(50))).toEqual([1, 4, 8, 12, 24]);
    expect(blocks([9, 9])).toEqual([1, 2]);
    expect(blocks([9, 6, 5], 5)).toEqual([1, 2]);
    expect(blocks([9, 6, 1], 0)).toEqual([1, 3]);
  });

  it('are a function of the seed', () => {
    const images = Array.from({ length: 40 }, (_, index) => ({ file: `${index}.png` }));
    const folder = { images };
    expect(sampleImages(folder, 6, 3)).toEqual(sampleImages(folder, 6, 3));
    expect(sampleImages(folder, 6, 3)).not.toEqual(sampleImages(folder, 6, 4));
    expect(sampleImages(folder, 6, 3)).toHaveLength(6);
    expect(sampleImages(folder, 60, 3)).toEqual(images);
  });
});

describe('picture files', () => {
  it('are a strip and one file per block, with names that do not clash', async () => {
    const folder = await openImageFolder(directory);
    const [first, second] = await drawPictures({
      network: small,
      reducer,
      source: folder,
      images: folder.images,
      blocks: [2, 4],
    });
    if (first === undefined || second === undefined) throw new Error('there are two images');
    const files = await pictureFiles([
      { ...first, file: 'one/a b.png' },
      { ...second, file: 'two/A b.jpeg' },
      { ...first, file: 'x#7' },
    ]);
    expect(files.map((one) => one.files.map(({ path }) => path))).toEqual([
      ['a-b-tokens.png', 'a-b-block-2.png', 'a-b-block-4.png'],
      ['A-b-2-tokens.png', 'A-b-2-block-2.png', 'A-b-2-block-4.png'],
      ['x-7-tokens.png', 'x-7-block-2.png', 'x-7-block-4.png'],
    ]);
    const strip = pictureStrip(first);
    expect([strip.width, strip.height]).toEqual([3 * 448 + 2 * 12, 448]);
    const { data, info } = await sharp(await encodePng(strip))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([strip.width, 448, 3]);
    expect(sameBytes(data, strip.data)).toBe(true);
    const last = first.blocks[1]?.picture.data ?? [];
    const at = (448 + 12) * 2 * 3;
    expect(sameBytes(strip.data.subarray(at, at + 448 * 3), last.slice(0, 448 * 3))).toBe(true);
  });
});
