/** `preprocessor_config.json` as Python's processors understand it. */
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { preprocessingFromProcessor, preprocessorWarnings } from '../../src/loading/preprocessor-configuration.ts';
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
  it('reads a processor that is a member of its file, and refuses two of them', () => {
    const own = { image_processor_type: 'DeiTImageProcessor', size: 256, crop_size: 224, image_std: [0.1, 0.2, 0.3] };
    const nested = { image_processor: own, processor_class: 'SomeProcessor' };
    expect(read(nested)).toEqual(read(own));
    expect(preprocessorWarnings(nested, 'x')).toEqual([]);
    expect(() => read({ ...nested, image_mean: half })).toThrow(/"image_mean" stands beside "image_processor"/);
  });

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

  it('knows the defaults of CLIP, and names of processors in every version', () => {
    const clip = read({ image_processor_type: 'CLIPImageProcessorFast', size: { shortest_edge: 224 } });
    expect(clip).toMatchObject({
      resize: square(224),
      interpolation: 'bicubic',
      mean: [0.48145466, 0.4578275, 0.40821073],
    });
    expect(clip.resizeMode).toBeUndefined();
    const siglip = read({ image_processor_type: 'SiglipImageProcessor' });
    expect(siglip).toMatchObject({ resizeMode: 'stretch', interpolation: 'bicubic', mean: half });
  });

  it('takes null for the default, as new versions write it', () => {
    const nulls = { do_center_crop: null, crop_size: null, do_convert_rgb: null, do_pad: null, resample: null };
    const others = { image_mean: null, rescale_factor: null, do_normalize: null, do_resize: null, pad_size: null };
    const json = { image_processor_type: 'ViTImageProcessorFast', default_to_square: true, ...nulls, ...others };
    expect(read(json)).toEqual(read({}));
    expect(preprocessorWarnings(json, 'x')).toEqual([]);
    expect(preprocessorWarnings({ strange: 1, _private: 2 }, 'x')).toEqual([
      'x has members that are not known here and were ignored: "strange".',
    ]);
  });

  it('brings another scale of values to 0…1', () => {
    const scaled = read({ rescale_factor: 1 / 127.5, image_mean: [1, 0.5, 2], image_std: 0.5 });
    [0.5, 0.25, 1].forEach((mean, channel) => expect(scaled.mean[channel]).toBeCloseTo(mean, 9));
    [0.25, 0.25, 0.25].forEach((std, channel) => expect(scaled.std[channel]).toBeCloseTo(std, 9));
    expect(read({ rescale_factor: 0.003921, image_mean: half }).mean).toEqual(half);
  });

  it('has one mean for one channel', () => {
    const grey = (json: object) => preprocessingFromProcessor({ ...json }, { ...square(224), channels: 1 }, 'x');
    expect(grey({ image_mean: [0.2], image_std: 0.3 })).toMatchObject({ mean: [0.2], std: [0.3] });
    expect(grey({ image_mean: half, do_convert_grayscale: true })).toMatchObject({ mean: [0.5], std: [0.5] });
    expect(() => grey({ image_mean: [0.1, 0.2, 0.3] })).toThrow(
      /"image_mean" is \[0\.1,0\.2,0\.3\], but only one number/,
    );
    const written = preprocessorConfiguration({ ...small, mean: [0.2], std: [0.3] });
    expect(written).toMatchObject({ do_convert_rgb: false, image_mean: [0.2] });
    expect(preprocessingFromProcessor(written, { ...square(32), channels: 1 }, 'x')).toMatchObject({ mean: [0.2] });
  });

  it('normalises by nothing where that is switched off', () => {
    expect(read({ size: 224, do_normalize: false, image_mean: half })).toMatchObject({
      mean: [0, 0, 0],
      std: [1, 1, 1],
    });
  });

  const refused: [string, object, RegExp][] = [
    ['another filter', { resample: 1 }, /"resample" is 1/],
    ['a filter of PIL that is not here', { resample: 4 }, /"resample" is 4, but only 2, 3/],
    ['no rescaling', { do_rescale: false }, /"do_rescale" is false, but only true/],
    ['padding', { do_pad: true }, /"do_pad" is true/],
    ['another order of channels', { do_flip_channel_order: true }, /"do_flip_channel_order" is true/],
    ['grey images of a network of colours', { do_convert_grayscale: true }, /"do_convert_grayscale" is true/],
    ['an offset', { offset: true }, /"offset" is true/],
    ['a share of the crop', { crop_pct: 0.875 }, /"crop_pct" is 0\.875/],
    ['a longest edge', { size: { longest_edge: 224 } }, /"size" is \{"longest_edge":224\}, but only a number/],
    ['two edges', { size: { shortest_edge: 224, longest_edge: 300 } }, /"size" is \{"shortest_edge":224,"longest/],
    ['an unknown processor', { image_processor_type: 'ConvNextImageProcessor' }, /"image_processor_type" is "ConvNext/],
    ['a nameless processor', { feature_extractor_type: 7 }, /"feature_extractor_type" is 7/],
    ['no resizing', { do_resize: false }, /"do_resize" is false/],
    ['a wrong rescaling', { rescale_factor: 0 }, /"rescale_factor" is 0 where a number above 0/],
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
      /makes images of 224×224 pixels where config.json has "image_size" 224×160: use both/,
    );
  });
});
