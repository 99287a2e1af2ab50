/** Resize, crop and normalisation as torchvision does them. */

import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { resizeImage } from '../../src/data/pillow-resize.ts';
import type { RgbImage } from '../../src/data/pillow-resize.ts';
import {
  centreCrop,
  createNormalizer,
  preprocessImage,
  resizeAndCrop,
  resizedSize,
  roundHalfEven,
} from '../../src/data/preprocess.ts';
import { square } from '../../src/data/preprocessing.ts';
import type { ImageSize, Preprocessing } from '../../src/data/preprocessing.ts';

const imagenet: Preprocessing = {
  resize: square(256),
  crop: square(224),
  interpolation: 'bicubic',
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

test('rounds as Python does', () => {
  expect([0.5, 1.5, 2.5, -0.5, -1.5, 1.4, 1.6, 3, 58.5, 59.5].map(roundHalfEven)).toEqual([
    0, 2, 2, 0, -2, 1, 2, 3, 58, 60,
  ]);
});

test('the long side is truncated', () => {
  const resized = (width: number, height: number, side: number) =>
    resizedSize({ width, height }, { resize: square(side) });
  expect(resized(500, 375, 256)).toEqual({ width: 341, height: 256 });
  expect(resized(375, 500, 256)).toEqual({ width: 256, height: 341 });
  expect(resized(500, 333, 248)).toEqual({ width: 372, height: 248 });
  expect(resized(300, 300, 256)).toEqual({ width: 256, height: 256 });
});

test('an oblong size is covered: one side fits, the other is rounded and no smaller', () => {
  const resize = { height: 146, width: 438 };
  // timm: ResizeKeepRatio((146, 438)).get_params of images of these sizes.
  expect(resizedSize({ height: 375, width: 500 }, { resize })).toEqual({ height: 328, width: 438 });
  expect(resizedSize({ height: 500, width: 375 }, { resize })).toEqual({ height: 584, width: 438 });
  expect(resizedSize({ height: 100, width: 333 }, { resize })).toEqual({ height: 146, width: 486 });
  const side = fc.integer({ min: 1, max: 2000 });
  fc.assert(
    fc.property(side, side, side, side, (height, width, tall, wide) => {
      fc.pre(tall !== wide);
      const found = resizedSize({ height, width }, { resize: { height: tall, width: wide } });
      // The same in words: the smallest scale at which both sides cover.
      const scale = Math.max(tall / height, wide / width);
      expect(found.height === tall || found.width === wide).toBe(true);
      expect(found.height).toBeGreaterThanOrEqual(tall);
      expect(found.width).toBeGreaterThanOrEqual(wide);
      expect(Math.abs(found.height - height * scale)).toBeLessThan(0.5 + 1e-6);
      expect(Math.abs(found.width - width * scale)).toBeLessThan(0.5 + 1e-6);
    }),
  );
});

/** `window` of an image resized to `size`, pixel by pixel from the whole. */
function cut(image: RgbImage, size: ImageSize, left: number, top: number, window: ImageSize): number[] {
  const whole = resizeImage(image, { ...size, interpolation: 'bicubic' });
  const pixels: number[] = [];
  for (let y = 0; y < window.height; y++) {
    for (let x = 0; x < window.width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        pixels.push(whole.data[((top + y) * size.width + left + x) * 3 + channel] ?? NaN);
      }
    }
  }
  return pixels;
}

test.each<[string, Partial<Preprocessing>, ImageSize, number, number]>([
  // 60 × 44 covers 30 × 40 as 55 × 40.
  ['cover', { resize: { height: 30, width: 40 } }, { height: 55, width: 40 }, 6, 16],
  ['cover of a square', { resize: square(40) }, { height: 54, width: 40 }, 6, 16],
  ['stretch', { resize: { height: 30, width: 40 }, resizeMode: 'stretch' }, { height: 30, width: 40 }, 6, 4],
])('an oblong crop is the middle of the whole (%s)', (_, how, size, left, top) => {
  const data = Uint8Array.from({ length: 60 * 44 * 3 }, (_value, index) => (index * 7919) % 251);
  const image = { data, width: 44, height: 60, channels: 3 } as const;
  const crop = { height: 23, width: 28 };
  const found = resizeAndCrop(image, { ...imagenet, ...how, crop });
  expect([found.height, found.width]).toEqual([23, 28]);
  expect([...found.data]).toEqual(cut(image, size, left, top, crop));
  const pixels = preprocessImage(image, { ...imagenet, ...how, crop });
  expect(pixels.length).toBe(3 * 23 * 28);
});

test('the centre crop rounds halves to the even pixel', () => {
  expect(centreCrop({ width: 341, height: 256 }, square(224))).toEqual({ left: 58, top: 16, width: 224, height: 224 });
  expect(centreCrop({ width: 343, height: 256 }, square(224))).toMatchObject({ left: 60 });
});

test('only the crop is computed, and it is the middle of the whole', () => {
  const width = 300;
  const height = 260;
  const data = Uint8Array.from({ length: width * height * 3 }, (_, index) => (index * 7919) % 251);
  const image = { data, width, height, channels: 3 } as const;
  const whole = resizeImage(image, { ...resizedSize(image, imagenet), interpolation: 'bicubic' });
  const crop = resizeAndCrop(image, imagenet);
  const { left, top } = centreCrop(whole, square(224));
  for (const y of [0, 100, 223]) {
    const from = ((top + y) * whole.width + left) * 3;
    expect([...crop.data.subarray(y * 672, (y + 1) * 672)]).toEqual([...whole.data.subarray(from, from + 672)]);
  }
});

test('values are float32 of (v / 255 − mean) / std, channel by channel', () => {
  const image = {
    data: Uint8Array.from([0, 127, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    width: 2,
    height: 2,
    channels: 3,
  } as const;
  const pixels = new Float32Array(13).fill(99);
  createNormalizer(imagenet)(image, pixels, 1);
  expect(pixels[0]).toBe(99);
  const expected = [0, 1, 2].flatMap((channel) =>
    [0, 1, 2, 3].map((pixel) => {
      const value = (image.data[pixel * 3 + channel] ?? 0) / 255;
      return (value - (imagenet.mean[channel] ?? 0)) / (imagenet.std[channel] ?? 1);
    }),
  );
  expected.forEach((value, index) => expect(Math.abs((pixels[index + 1] ?? 0) - value)).toBeLessThan(2e-7 * 3));
  // PyTorch: (torch.tensor(255.) / 255 - 0.485) / 0.229 in float32.
  const white = preprocessImage(
    { data: new Uint8Array(300 * 300 * 3).fill(255), width: 300, height: 300, channels: 3 },
    imagenet,
  );
  expect(white[0]).toBe(Math.fround(Math.fround(1 - Math.fround(0.485)) / Math.fround(0.229)));
});

test('a flip mirrors every row, three or four channels', () => {
  const normalize = createNormalizer({ ...imagenet, mean: [0, 0, 0], std: [1, 1, 1] });
  const data = [255, 0, 51, 102, 153, 204];
  const expected = [102, 255, 153, 0, 204, 51].map((value) => Math.fround(value / 255));
  const pixels = new Float32Array(6);
  normalize({ data: Uint8Array.from(data), width: 2, height: 1, channels: 3 }, pixels, 0, true);
  expect([...pixels]).toEqual(expected);
  pixels.fill(0);
  const withAlpha = Uint8Array.from([...data.slice(0, 3), 9, ...data.slice(3), 9]);
  normalize({ data: withAlpha, width: 2, height: 1, channels: 4 }, pixels, 0, true);
  expect([...pixels]).toEqual(expected);
});

test('stretched, both sides are resized, whatever the ratio', () => {
  const [width, height] = [40, 20];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, index) => (index * 7919) % 251);
  const image = { data, width, height, channels: 3 } as const;
  const stretched = { ...imagenet, resize: square(16), crop: square(16), resizeMode: 'stretch' } as const;
  const whole = resizeImage(image, { width: 16, height: 16, interpolation: 'bicubic' });
  expect([...resizeAndCrop(image, stretched).data]).toEqual([...whole.data]);
  const covering = resizeAndCrop(image, { ...stretched, resizeMode: 'cover' });
  expect([...covering.data]).not.toEqual([...whole.data]);
});
