/** `preprocessor_config.json` as Python's processors understand it. */
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { preprocessingFromProcessor } from '../../src/loading/preprocessor-configuration.ts';
import { preprocessorConfiguration } from '../../src/exporting/model-configuration.ts';
import { smallNetwork, smallPreprocessing } from '../small-networks.ts';
import { square } from '../../src/data/preprocessing.ts';
import type { ImageSize, Preprocessing } from '../../src/data/preprocessing.ts';

/** A square of 256 pixels of which a part is taken. */
const cropOf = (height: number, width: number) => ({
  size: 256,
  do_center_crop: true,
  crop_size: { height, width },
});
const small = smallPreprocessing(smallNetwork());
const half = [0.5, 0.5, 0.5];
const read = (json: object, size: ImageSize = square(224)) =>
  preprocessingFromProcessor({ ...json }, size, 'preprocessor_config.json');

describe('preprocessingFromProcessor', () => {
  it('takes a number for a square, and a short edge with a crop for what it says', () => {
    expect(read({ size: 224, resample: 2, image_mean: half, image_std: half })).toMatchObject({
      resize: square(224),
      resizeMode: 'stretch',
      crop: square(224),
      interpolation: 'bilinear',
    });
    const cropped = { size: { shortest_edge: 256 }, do_center_crop: true, crop_size: 224, resample: 3 };
    expect(read({ ...cropped, image_mean: half, image_std: half })).toEqual({
      resize: square(256),
      crop: square(224),
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
    expect(deit).toMatchObject({
      resize: square(256),
      resizeMode: 'stretch',
      crop: square(224),
      interpolation: 'bicubic',
    });
    expect(deit.mean).toEqual([0.485, 0.456, 0.406]);
    expect(preprocessingFromProcessor(undefined, square(384), 'x')).toMatchObject({
      resize: square(384),
      crop: square(384),
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
    ['an oblong size', { size: { height: 224, width: 256 } }, /makes images of 224×256 pixels where .* 224:/],
    ['a crop of another shape', { ...cropOf(224, 192) }, /makes images of 224×192 pixels/],
    ['oblong images', { size: { shortest_edge: 224 } }, /images have many sizes/],
    ['a crop beyond the image', { size: 200, do_center_crop: true, crop_size: 224 }, /makes images of 200×200/],
    ['grey means', { image_mean: [0.5] }, /"image_mean/],
  ];
  it.each(refused)('refuses %s in one sentence', (_, json, message) => {
    expect(() => read(json)).toThrow(DiffrateError);
    expect(() => read(json)).toThrow(message);
  });

  it('reads back what an export writes', () => {
    const stretched = { ...small, resize: square(32), resizeMode: 'stretch' } as const;
    const croppedToo = { ...stretched, resize: square(36) };
    for (const preprocessing of [small, stretched, croppedToo]) {
      expect(read(preprocessorConfiguration(preprocessing), square(32))).toEqual(preprocessing);
    }
  });

  it('reads back oblong sizes', () => {
    const crop = { height: 48, width: 32 };
    const oblong = { ...small, crop };
    const kinds: Preprocessing[] = [
      { ...oblong, resize: crop, resizeMode: 'stretch' },
      { ...oblong, resize: { height: 54, width: 36 }, resizeMode: 'stretch' },
      { ...oblong, resize: square(50) },
      { ...oblong, resize: { height: 54, width: 36 } },
    ];
    for (const preprocessing of kinds) {
      expect(read(preprocessorConfiguration(preprocessing), crop)).toEqual(preprocessing);
    }
    // Other readers keep the ratio, too, and never get less than the crop.
    expect(preprocessorConfiguration(kinds[3] as Preprocessing)).toMatchObject({
      size: { shortest_edge: 54 },
      crop_size: crop,
    });
  });

  it('names both sides where a network is oblong', () => {
    expect(() => read({ size: 224 }, { height: 224, width: 160 })).toThrow(
      /makes images of 224×224 pixels where config.json has "image_size" 224×160: correct/,
    );
  });
});
