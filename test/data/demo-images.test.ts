/**
 * The demo's images, and that a network of 28 × 28 pixels sees the same numbers in transformers.js
 * as here: nothing is resized, only normalised.
 */

import { ImageProcessor, RawImage } from '@huggingface/transformers';
import { expect, test } from 'vitest';
import { colourImage } from '../../src/data/grey-images.ts';
import { readIdxFile } from '../../src/data/idx-file.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import { preprocessImage } from '../../src/data/preprocess.ts';
import { preprocessorConfiguration } from '../../src/exporting/model-configuration.ts';
import { preprocessingFromProcessor } from '../../src/loading/preprocessor-configuration.ts';
import { square } from '../../src/data/preprocessing.ts';
import type { Preprocessing } from '../../src/data/preprocessing.ts';

const calibration = 'examples/demo-model/images/calibration-images-idx3-ubyte.gz';
const evaluation = 'examples/demo-model/images/evaluation-images-idx3-ubyte.gz';

test('the demo’s images are balanced', async () => {
  for (const file of [calibration, evaluation]) {
    const { images } = await openImageFolder(file, { strict: true });
    const counts = Array.from({ length: 10 }, (_, label) => images.filter((image) => image.label === label).length);
    expect(counts).toEqual(Array.from({ length: 10 }, () => 50));
    expect((await readIdxFile(file)).dimensions).toEqual([500, 28, 28]);
  }
});

test.each(['stretch', 'cover'] as const)('transformers.js sees what we see (%s)', async (resizeMode) => {
  const preprocessing: Preprocessing = {
    resize: square(28),
    ...(resizeMode === 'stretch' && { resizeMode }),
    crop: square(28),
    interpolation: 'bicubic',
    mean: [0.286, 0.286, 0.286],
    std: [0.353, 0.353, 0.353],
  };
  const json = preprocessorConfiguration(preprocessing);
  expect(preprocessingFromProcessor(json, square(28), 'preprocessor_config.json')).toEqual(preprocessing);
  const { data } = await readIdxFile(evaluation);
  const pixels = { data, width: 28, height: 28 };
  const processor = new ImageProcessor(json);
  for (const position of [0, 7, 499]) {
    const image = colourImage(pixels, position);
    const raw = new RawImage(image.data, 28, 28, 3);
    const { pixel_values } = (await processor(raw)) as { pixel_values: { data: Float32Array; dims: number[] } };
    expect(pixel_values.dims).toEqual([1, 3, 28, 28]);
    const own = preprocessImage(image, preprocessing);
    const differences = own.map((value, index) => Math.abs(value - (pixel_values.data[index] ?? Number.NaN)));
    expect(Math.max(...differences)).toBeLessThan(1e-5);
  }
});

test.each(['stretch', 'cover'] as const)('transformers.js cuts oblong crops where we do (%s)', async (resizeMode) => {
  const image = { data: Uint8Array.from({ length: 40 * 31 * 3 }, (_, index) => (index * 7919) % 251), channels: 3 };
  const preprocessing: Preprocessing = {
    // What the image is already: nothing is resized.
    resize: resizeMode === 'stretch' ? { height: 40, width: 31 } : square(31),
    ...(resizeMode === 'stretch' && { resizeMode }),
    crop: { height: 32, width: 21 },
    interpolation: 'bicubic',
    mean: [0.286, 0.286, 0.286],
    std: [0.353, 0.353, 0.353],
  };
  const processor = new ImageProcessor(preprocessorConfiguration(preprocessing));
  const { pixel_values } = (await processor(new RawImage(image.data, 31, 40, 3))) as {
    pixel_values: { data: Float32Array; dims: number[] };
  };
  expect(pixel_values.dims).toEqual([1, 3, 32, 21]);
  const own = preprocessImage({ data: image.data, width: 31, height: 40, channels: 3 }, preprocessing);
  const differences = own.map((value, index) => Math.abs(value - (pixel_values.data[index] ?? Number.NaN)));
  expect(Math.max(...differences)).toBeLessThan(1e-5);
});
