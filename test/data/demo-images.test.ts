/**
 * The demo's images, and that a network of 28 × 28 pixels sees the same numbers in transformers.js as here: nothing is resized, only
 * normalised.
 */

import { ImageProcessor, RawImage } from '@huggingface/transformers';
import { expect, test } from 'vitest';
import { colourImage } from '../../src/data/grey-images.ts';
import { openImageFolder } from '../../src/data/image-folder.ts';
import { preprocessImage } from '../../src/data/preprocess.ts';
import { preprocessorConfiguration } from '../../src/exporting/model-configuration.ts';
import { preprocessingFromProcessor } from '../../src/loading/preprocessor-configuration.ts';
import type { Preprocessing } from '../../src/models/configuration.ts';

const calibration = 'examples/demo-model/images/calibration-images-idx3-ubyte.gz';
const evaluation = 'examples/demo-model/images/evaluation-images-idx3-ubyte.gz';

test('the demo’s images are balanced', async () => {
  for (const file of [calibration, evaluation]) {
    const { images, pixels } = await openImageFolder(file, { strict: true });
    const counts = Array.from({ length: 10 }, (_, label) => images.filter((image) => image.label === label).length);
    expect(counts).toEqual(Array.from({ length: 10 }, () => 50));
    expect([pixels?.width, pixels?.height]).toEqual([28, 28]);
  }
});

test.each(['square', 'short-side'] as const)('transformers.js sees what we see (%s)', async (resizeMode) => {
  const preprocessing: Preprocessing = {
    resizeShortSide: 28,
    ...(resizeMode === 'square' && { resizeMode }),
    cropSize: 28,
    interpolation: 'bicubic',
    mean: [0.286, 0.286, 0.286],
    std: [0.353, 0.353, 0.353],
  };
  const json = preprocessorConfiguration(preprocessing);
  expect(preprocessingFromProcessor(json, 28, 'preprocessor_config.json')).toEqual(preprocessing);
  const { pixels } = await openImageFolder(evaluation);
  if (pixels === undefined) throw new Error('an IDX file has pixels');
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
