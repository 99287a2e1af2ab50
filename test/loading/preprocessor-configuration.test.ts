/** `preprocessor_config.json` as Python's processors understand it. */
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { preprocessingFromProcessor } from '../../src/loading/preprocessor-configuration.ts';
import { preprocessorConfiguration } from '../../src/exporting/model-configuration.ts';
import { smallConfiguration } from '../random-network.ts';

const half = [0.5, 0.5, 0.5];
const read = (json: object, size = 224) => preprocessingFromProcessor({ ...json }, size, 'preprocessor_config.json');

describe('preprocessingFromProcessor', () => {
  it('takes a number for a square, and a short edge with a crop for what it says', () => {
    expect(read({ size: 224, resample: 2, image_mean: half, image_std: half })).toMatchObject({
      resizeShortSide: 224,
      resizeMode: 'square',
      cropSize: 224,
      interpolation: 'bilinear',
    });
    const cropped = { size: { shortest_edge: 256 }, do_center_crop: true, crop_size: 224, resample: 3 };
    expect(read({ ...cropped, image_mean: half, image_std: half })).toEqual({
      resizeShortSide: 256,
      cropSize: 224,
      interpolation: 'bicubic',
      mean: half,
      std: half,
    });
    expect(
      read({ image_processor_type: 'CLIPImageProcessor', size: 224, do_center_crop: true }).resizeMode,
    ).toBeUndefined();
  });

  it('knows the defaults of DeiT and of ViT', () => {
    const deit = read({ feature_extractor_type: 'DeiTFeatureExtractor', size: 256, crop_size: 224 });
    expect(deit).toMatchObject({ resizeShortSide: 256, resizeMode: 'square', cropSize: 224, interpolation: 'bicubic' });
    expect(deit.mean).toEqual([0.485, 0.456, 0.406]);
    expect(preprocessingFromProcessor(undefined, 384, 'x')).toMatchObject({
      resizeShortSide: 384,
      cropSize: 384,
      mean: half,
    });
  });

  it('normalises by nothing where that is switched off', () => {
    expect(read({ size: 224, do_normalize: false, image_mean: half })).toMatchObject({
      mean: [0, 0, 0],
      std: [1, 1, 1],
    });
  });

  const refused: [string, object, RegExp][] = [
    ['another filter', { resample: 1 }, /"resample" is 1/],
    ['no resizing', { do_resize: false }, /"do_resize" is false/],
    ['another rescaling', { rescale_factor: 1 / 127.5 }, /"rescale_factor" is 0\.00784/],
    ['an oblong size', { size: { height: 224, width: 256 } }, /"size" is 224×256, but only squares/],
    ['oblong images', { size: { shortest_edge: 224 } }, /images stay oblong/],
    ['a crop beyond the image', { size: 200, do_center_crop: true, crop_size: 224 }, /makes images of 200×200/],
    ['grey means', { image_mean: [0.5] }, /"image_mean/],
  ];
  it.each(refused)('refuses %s in one sentence', (_, json, message) => {
    expect(() => read(json)).toThrow(DiffrateError);
    expect(() => read(json)).toThrow(message);
  });

  it('reads back what an export writes', () => {
    const square = { ...smallConfiguration.preprocessing, resizeShortSide: 32, resizeMode: 'square' } as const;
    const croppedSquare = { ...square, resizeShortSide: 36 };
    for (const preprocessing of [smallConfiguration.preprocessing, square, croppedSquare]) {
      expect(read(preprocessorConfiguration(preprocessing), 32)).toEqual(preprocessing);
    }
  });
});
