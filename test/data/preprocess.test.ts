/** Resize, crop and normalisation as torchvision does them. */

import { expect, test } from 'vitest';
import { resizeImage } from '../../src/data/pillow-resize.ts';
import {
  centreCrop,
  createNormalizer,
  preprocessImage,
  resizeAndCrop,
  resizedSize,
  roundHalfEven,
} from '../../src/data/preprocess.ts';
import type { Preprocessing } from '../../src/models/configuration.ts';

const imagenet: Preprocessing = {
  resizeShortSide: 256,
  cropSize: 224,
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
  expect(resizedSize(500, 375, 256)).toEqual({ width: 341, height: 256 });
  expect(resizedSize(375, 500, 256)).toEqual({ width: 256, height: 341 });
  expect(resizedSize(500, 333, 248)).toEqual({ width: 372, height: 248 });
  expect(resizedSize(300, 300, 256)).toEqual({ width: 256, height: 256 });
});

test('the centre crop rounds halves to the even pixel', () => {
  expect(centreCrop(341, 256, 224)).toEqual({ left: 58, top: 16, width: 224, height: 224 });
  expect(centreCrop(343, 256, 224)).toMatchObject({ left: 60 });
});

test('only the crop is computed, and it is the middle of the whole', () => {
  const width = 300;
  const height = 260;
  const data = Uint8Array.from({ length: width * height * 3 }, (_, index) => (index * 7919) % 251);
  const image = { data, width, height, channels: 3 } as const;
  const whole = resizeImage(image, { ...resizedSize(width, height, 256), interpolation: 'bicubic' });
  const crop = resizeAndCrop(image, imagenet);
  const { left, top } = centreCrop(whole.width, whole.height, 224);
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

test('in square mode both sides are resized, whatever the ratio', () => {
  const [width, height] = [40, 20];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, index) => (index * 7919) % 251);
  const image = { data, width, height, channels: 3 } as const;
  const square = { ...imagenet, resizeShortSide: 16, cropSize: 16, resizeMode: 'square' } as const;
  const whole = resizeImage(image, { width: 16, height: 16, interpolation: 'bicubic' });
  expect([...resizeAndCrop(image, square).data]).toEqual([...whole.data]);
  const shortSide = resizeAndCrop(image, { ...square, resizeMode: 'short-side' });
  expect([...shortSide.data]).not.toEqual([...whole.data]);
});
