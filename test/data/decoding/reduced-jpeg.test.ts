/** Large JPEGs at a reduced size: where, how much, and that the picture stays in its place. */
import sharp from 'sharp';
import type { Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../../src/data/decoding/decode-image.ts';
import { reductionFor } from '../../../src/data/decoding/reduced-jpeg.ts';
import { resizeAndCrop } from '../../../src/data/preprocess.ts';
import { square } from '../../../src/data/preprocessing.ts';
import type { Preprocessing } from '../../../src/data/preprocessing.ts';

const preprocessing: Preprocessing = {
  resize: square(32),
  crop: square(28),
  interpolation: 'bicubic',
  mean: [0, 0, 0],
  std: [1, 1, 1],
};

/** Smooth colours with an edge, so that a shift of a pixel shows. */
function photo(width: number, height: number): Sharp {
  const data = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3;
      data[at] = (255 * x) / width;
      data[at + 1] = (255 * y) / height;
      data[at + 2] = x * 3 > width && y * 2 > height ? 230 : 20;
    }
  }
  return sharp(data, { raw: { width, height, channels: 3 } });
}

const largestDifference = (one: ArrayLike<number>, other: ArrayLike<number>): number =>
  Math.max(...Array.from(one, (value, index) => Math.abs(value - (other[index] ?? NaN))));

describe('reductionFor', () => {
  it('leaves both sides at least twice as long as the network’s image', () => {
    const divisors = [127, 128, 255, 256, 511, 512, 9000].map((side) =>
      reductionFor({ width: side, height: side }, preprocessing),
    );
    expect(divisors).toEqual([1, 2, 2, 4, 4, 8, 8]);
  });

  it('goes by the shorter side, and by the nearer one where the ratio is not kept', () => {
    expect(reductionFor({ width: 2000, height: 127 }, preprocessing)).toBe(1);
    expect(reductionFor({ width: 2000, height: 128 }, { ...preprocessing, resizeMode: 'stretch' })).toBe(2);
    expect(reductionFor({ width: 127, height: 2000 }, { ...preprocessing, resizeMode: 'stretch' })).toBe(1);
  });
});

describe('a large JPEG', () => {
  it.each([
    [2, 133, 131, '4:2:0', false],
    [2, 200, 129, '4:4:4', true],
    [4, 301, 259, '4:2:0', true],
    [8, 601, 517, '4:2:0', false],
  ] as const)(
    'at 1/%i (%i × %i, %s, progressive %s) is the same to the network',
    async (...[divisor, width, height, chromaSubsampling, progressive]) => {
      for (const orientation of [1, 3, 6]) {
        const bytes = await photo(width, height)
          .withMetadata({ orientation })
          .jpeg({ quality: 95, chromaSubsampling, progressive })
          .toBuffer();
        const reduced = await decodeImage(bytes, {}, preprocessing);
        const [across, down] = orientation === 6 ? [height, width] : [width, height];
        expect([reduced.width, reduced.height]).toEqual([Math.ceil(across / divisor), Math.ceil(down / divisor)]);
        expect(reduced.reduced?.whole).toEqual({ width: across, height: down });
        const whole = await decodeImage(bytes, { decoder: 'exact' }, preprocessing);
        expect([whole.width, whole.height, whole.reduced]).toEqual([across, down, undefined]);
        const [seen, right] = [reduced, whole].map((image) => resizeAndCrop(image, preprocessing).data);
        expect(largestDifference(seen ?? [], right ?? [])).toBeLessThanOrEqual(8);
      }
    },
  );

  it('is decoded whole where nobody says what is wanted, and where it is small', async () => {
    const bytes = await photo(300, 200).jpeg().toBuffer();
    const whole = await decodeImage(bytes);
    expect([whole.width, whole.height]).toEqual([300, 200]);
    const small = await photo(120, 90).jpeg().toBuffer();
    expect(await decodeImage(small, {}, preprocessing)).toEqual(await decodeImage(small, { decoder: 'exact' }));
  });

  it('of grey is reduced, too; CMYK is not', async () => {
    const grey = await decodeImage(await photo(256, 256).greyscale().jpeg().toBuffer(), {}, preprocessing);
    expect([grey.width, grey.height, grey.channels]).toEqual([64, 64, 3]);
    const inks = await decodeImage(await photo(256, 256).toColourspace('cmyk').jpeg().toBuffer(), {}, preprocessing);
    expect(inks.width).toBe(256);
  });

  it('that is cut short is refused', async () => {
    const bytes = await photo(256, 256).jpeg().toBuffer();
    const broken = Buffer.concat([bytes.subarray(0, bytes.length / 2), Buffer.from([0xff, 0xd9])]);
    await expect(decodeImage(broken, {}, preprocessing)).rejects.toThrow(/^the JPEG is (?:damaged or )?cut short$/);
  });
});
