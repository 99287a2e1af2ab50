/**
 * `preprocessor_config.json` of Hugging Face transformers as preprocessing.
 * That is the file of `ViTImageProcessor`, `DeiTImageProcessor` and those with the same members.
 * Defaults are those of the Python classes: a plain number as size is a square, not a short side.
 */
import * as v from 'valibot';
import { DiffrateError } from '../errors.ts';
import type { JsonObject } from '../checkpoints/json-object.ts';
import { isSquare, sizeText, square } from '../data/preprocessing.ts';
import type { ImageSize, Preprocessing } from '../data/preprocessing.ts';
import { checkConfiguration, perChannel, positiveInteger } from '../checkpoints/configuration-check.ts';

const sides = v.object({ height: positiveInteger, width: positiveInteger });

const schema = v.object({
  image_processor_type: v.optional(v.string()),
  feature_extractor_type: v.optional(v.string()),
  do_resize: v.optional(v.literal(true), true),
  size: v.optional(v.union([positiveInteger, sides, v.object({ shortest_edge: positiveInteger })])),
  do_center_crop: v.optional(v.nullable(v.boolean())),
  crop_size: v.optional(v.nullable(v.union([positiveInteger, sides]))),
  resample: v.optional(v.picklist([2, 3])),
  do_rescale: v.optional(v.literal(true), true),
  rescale_factor: v.optional(v.pipe(v.number(), v.minValue(0.003921, '1/255'), v.maxValue(0.003922, '1/255'))),
  do_normalize: v.optional(v.boolean(), true),
  image_mean: v.optional(perChannel),
  image_std: v.optional(perChannel),
  // What transformers has no words for; `preprocessorConfiguration` writes it.
  diffrate: v.optional(v.object({ cover: sides })),
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
 * The preprocessing that a `preprocessor_config.json` declares; that of `ViTImageProcessor` where
 * there is none.
 * @param inputSize the network's, which the processor must produce.
 * @param file path of the file, for error sentences.
 * @throws {DiffrateError} where it asks for something unsupported or for another size.
 */
export function preprocessingFromProcessor(
  json: JsonObject | undefined,
  inputSize: ImageSize,
  file: string,
): Preprocessing {
  const declared = checkConfiguration(schema, json ?? { size: inputSize }, file);
  const type = declared.image_processor_type ?? declared.feature_extractor_type ?? 'ViTImageProcessor';
  const defaults = type.startsWith('DeiT') ? deitDefaults : vitDefaults;
  const cover = declared.diffrate?.cover;
  const resized: Resized =
    cover === undefined ? resizedAs(declared.size ?? defaults.size, type) : { resize: cover, stretches: false };
  const { resize, stretches } = resized;
  const crops = declared.do_center_crop ?? defaults.crop;
  if (!crops && !stretches) {
    throw new DiffrateError(
      `${file}: "size" has only a shortest edge and "do_center_crop" is off, so that images have many sizes: ` +
        `set do_center_crop and crop_size.`,
    );
  }
  const crop = crops ? sizeOf(declared.crop_size ?? inputSize) : resize;
  const made = { height: Math.min(crop.height, resize.height), width: Math.min(crop.width, resize.width) };
  if (made.height !== inputSize.height || made.width !== inputSize.width || !fitsIn(crop, resize)) {
    throw new DiffrateError(
      `${file} makes images of ${sizeText(made)} pixels where config.json has "image_size" ${sideText(inputSize)}: ` +
        `correct one of them.`,
    );
  }
  const normalizes = declared.do_normalize;
  return {
    resize,
    ...(stretches ? { resizeMode: 'stretch' as const } : {}),
    crop,
    interpolation: interpolations[declared.resample ?? defaults.resample],
    mean: normalizes ? (declared.image_mean ?? defaults.mean) : [0, 0, 0],
    std: normalizes ? (declared.image_std ?? defaults.std) : [1, 1, 1],
  };
}

type Size = NonNullable<v.InferOutput<typeof schema>['size']>;

/** What images become before the crop. */
interface Resized {
  readonly resize: ImageSize;
  /** Whether both sides are set, whatever the ratio. */
  readonly stretches: boolean;
}

/** CLIP's, BiT's and ConvNeXt's processors take a plain number for the short side. */
const shortSideProcessors = /^(?:CLIP|Bit|ConvNext|PoolFormer)/;

function resizedAs(size: Size, type: string): Resized {
  if (typeof size === 'number') return { resize: square(size), stretches: !shortSideProcessors.test(type) };
  if ('shortest_edge' in size) return { resize: square(size.shortest_edge), stretches: false };
  return { resize: size, stretches: true };
}

const sizeOf = (size: number | ImageSize): ImageSize => (typeof size === 'number' ? square(size) : size);

const fitsIn = (crop: ImageSize, whole: ImageSize): boolean => crop.height <= whole.height && crop.width <= whole.width;

/** One number where both sides are equal, as `image_size` mostly has it. */
const sideText = (size: ImageSize): string => (isSquare(size) ? String(size.width) : sizeText(size));
