/**
 * `preprocessor_config.json` of Hugging Face transformers (`ViTImageProcessor`, `DeiTImageProcessor` and those with the same
 * members) as preprocessing. Defaults are those of the Python classes: a plain number as size is a square, not a short side.
 */
import * as v from 'valibot';
import { DiffrateError } from '../errors.ts';
import type { JsonObject } from '../checkpoints/model-folder.ts';
import type { Preprocessing } from '../models/configuration.ts';
import { checkConfiguration, perChannel, positiveInteger } from './configuration-check.ts';

const square = v.object({ height: positiveInteger, width: positiveInteger });

const schema = v.object({
  image_processor_type: v.optional(v.string()),
  feature_extractor_type: v.optional(v.string()),
  do_resize: v.optional(v.literal(true), true),
  size: v.optional(v.union([positiveInteger, square, v.object({ shortest_edge: positiveInteger })])),
  do_center_crop: v.optional(v.nullable(v.boolean())),
  crop_size: v.optional(v.nullable(v.union([positiveInteger, square]))),
  resample: v.optional(v.picklist([2, 3])),
  do_rescale: v.optional(v.literal(true), true),
  rescale_factor: v.optional(v.pipe(v.number(), v.minValue(0.003921, '1/255'), v.maxValue(0.003922, '1/255'))),
  do_normalize: v.optional(v.boolean(), true),
  image_mean: v.optional(perChannel),
  image_std: v.optional(perChannel),
});

/** Defaults of a processor's Python class. */
interface ProcessorDefaults {
  readonly size: number;
  readonly crop: boolean;
  readonly resample: 2 | 3;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

const half = [0.5, 0.5, 0.5] as const;
const imagenetMean = [0.485, 0.456, 0.406] as const;
const imagenetStandardDeviation = [0.229, 0.224, 0.225] as const;

const vitDefaults: ProcessorDefaults = { size: 224, crop: false, resample: 2, mean: half, std: half };
const deitDefaults: ProcessorDefaults = {
  size: 256,
  crop: true,
  resample: 3,
  mean: imagenetMean,
  std: imagenetStandardDeviation,
};

/** PIL's numbers of filters. */
const interpolations = { 2: 'bilinear', 3: 'bicubic' } as const;

/**
 * The preprocessing that a `preprocessor_config.json` declares; that of `ViTImageProcessor` where there is none.
 * @param inputSize the network's, which the processor must produce.
 * @param file path of the file, for error sentences.
 * @throws {DiffrateError} where it asks for something unsupported or for another size.
 */
export function preprocessingFromProcessor(
  json: JsonObject | undefined,
  inputSize: number,
  file: string,
): Preprocessing {
  const declared = checkConfiguration(schema, json ?? { size: inputSize }, file);
  const type = declared.image_processor_type ?? declared.feature_extractor_type ?? 'ViTImageProcessor';
  const defaults = type.startsWith('DeiT') ? deitDefaults : vitDefaults;
  const size = declared.size ?? defaults.size;
  const resized = resizeOf(size, type, file);
  const crops = declared.do_center_crop ?? defaults.crop;
  const cropSize = crops ? sideOf(declared.crop_size ?? inputSize, 'crop_size', file) : resized.side;
  if (!crops && !resized.isSquare) {
    throw new DiffrateError(
      `${file}: "size" has only a shortest edge and "do_center_crop" is off, so that images stay oblong: set do_center_crop and crop_size.`,
    );
  }
  if (cropSize !== inputSize || resized.side < cropSize) {
    throw new DiffrateError(
      `${file} makes images of ${Math.min(cropSize, resized.side)}×${Math.min(cropSize, resized.side)} pixels where config.json has "image_size" ${inputSize}: correct one of them.`,
    );
  }
  const normalizes = declared.do_normalize;
  return {
    resizeShortSide: resized.side,
    ...(resized.isSquare ? { resizeMode: 'square' as const } : {}),
    cropSize,
    interpolation: interpolations[declared.resample ?? defaults.resample],
    mean: normalizes ? (declared.image_mean ?? defaults.mean) : [0, 0, 0],
    std: normalizes ? (declared.image_std ?? defaults.std) : [1, 1, 1],
  };
}

type Size = NonNullable<v.InferOutput<typeof schema>['size']>;

/** CLIP's, BiT's and ConvNeXt's processors take a plain number for the short side. */
const shortSideProcessors = /^(?:CLIP|Bit|ConvNext|PoolFormer)/;

function resizeOf(size: Size, type: string, file: string): { readonly side: number; readonly isSquare: boolean } {
  if (typeof size === 'number') return { side: size, isSquare: !shortSideProcessors.test(type) };
  if ('shortest_edge' in size) return { side: size.shortest_edge, isSquare: false };
  return { side: sideOf(size, 'size', file), isSquare: true };
}

function sideOf(
  size: number | { readonly height: number; readonly width: number },
  member: string,
  file: string,
): number {
  if (typeof size === 'number') return size;
  if (size.height === size.width) return size.height;
  throw new DiffrateError(
    `${file}: "${member}" is ${size.height}×${size.width}, but only squares are supported: use a model with square input.`,
  );
}
