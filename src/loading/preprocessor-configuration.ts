/**
 * `preprocessor_config.json` of Hugging Face transformers as preprocessing.
 * That is the file of `ViTImageProcessor`, `DeiTImageProcessor` and those with the same members.
 * Defaults are those of the Python classes: a plain number as size is a square, not a short side.
 */
import * as v from 'valibot';
import { DiffrateError } from '../errors.ts';
import { isJsonObject } from '../checkpoints/json-object.ts';
import type { JsonObject } from '../checkpoints/json-object.ts';
import { isSquare, sizeText, square } from '../data/preprocessing.ts';
import type { ImageSize, PerChannel, Preprocessing } from '../data/preprocessing.ts';
import { checkConfiguration, positiveInteger, unsupported } from '../checkpoints/configuration-check.ts';
import { absent, checkMembers, harmless, ignoredMembers, only, read } from '../checkpoints/member-table.ts';
import type { MemberTable } from '../checkpoints/member-table.ts';
import { channelNumbers, perChannel } from './channel-statistics.ts';

const sides = v.strictObject({ height: positiveInteger, width: positiveInteger });
const size = v.union([positiveInteger, sides, v.strictObject({ shortest_edge: positiveInteger })]);
const flag = v.nullish(v.boolean());

const schema = v.object({
  image_processor_type: v.nullish(v.string()),
  feature_extractor_type: v.nullish(v.string()),
  size: v.nullish(size),
  default_to_square: flag,
  do_center_crop: flag,
  crop_size: v.nullish(v.union([positiveInteger, sides])),
  resample: v.nullish(v.picklist([2, 3])),
  rescale_factor: v.nullish(v.pipe(v.number(), v.gtValue(0, 'a number above 0'))),
  do_normalize: flag,
  image_mean: v.nullish(channelNumbers),
  image_std: v.nullish(channelNumbers),
  // What transformers has no words for; `preprocessorConfiguration` writes it.
  diffrate: v.optional(v.object({ cover: sides })),
});

/** Members of the processors below and of their base classes. */
const members: MemberTable = {
  ...read('image_processor_type', 'feature_extractor_type', 'size', 'default_to_square', 'do_center_crop'),
  ...read('crop_size', 'rescale_factor', 'do_normalize', 'image_mean', 'image_std', 'diffrate'),
  // Without it images have many sizes; without rescaling it is not said which scale they come in.
  ...only([true], 'do_resize', 'do_rescale'),
  // PIL's bilinear and bicubic filters.
  ...only([2, 3], 'resample'),
  ...absent('do_pad', 'pad_size', 'offset', 'do_offset', 'do_flip_channel_order', 'do_thumbnail', 'do_align_long_axis'),
  ...absent('do_color_quantize', 'size_divisor', 'crop_pct', 'keep_aspect_ratio', 'ensure_multiple_of'),
  ...absent('do_convert_hsv', 'do_equalize', 'do_split_image'),
  ...harmless('the network says how many channels it reads', 'do_convert_rgb'),
  ...harmless('how arrays come and go', 'data_format', 'input_data_format', 'return_tensors', 'device'),
  ...harmless('how arrays come and go', 'disable_grouping', 'image_seq_length', 'num_channels'),
  ...harmless('of label maps', 'do_reduce_labels', 'reduce_labels'),
  ...harmless('says who wrote it', 'processor_class', 'auto_map', 'transformers_version', 'config'),
};

/** Of a network that reads colours; one that reads grey images gets these by itself. */
const colourMembers: MemberTable = { ...members, ...absent('do_convert_grayscale', 'do_grayscale') };
const greyMembers: MemberTable = { ...members, ...read('do_convert_grayscale', 'do_grayscale') };

/** Defaults of a processor's Python class. */
interface ProcessorDefaults {
  readonly size: number;
  /** Whether a number as size is the short side's. */
  readonly coversSize?: boolean;
  readonly crop: boolean;
  readonly resample: 2 | 3;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

const half = [0.5, 0.5, 0.5] as const;
const imagenetMean = [0.485, 0.456, 0.406] as const;
const imagenetStandardDeviation = [0.229, 0.224, 0.225] as const;
const clipMean = [0.48145466, 0.4578275, 0.40821073] as const;
const clipStandardDeviation = [0.26862954, 0.26130258, 0.27577711] as const;

const clip: ProcessorDefaults = {
  size: 224,
  coversSize: true,
  crop: true,
  resample: 3,
  mean: clipMean,
  std: clipStandardDeviation,
};

/** Processors by the beginning of their names. */
const processors: Readonly<Record<string, ProcessorDefaults>> = {
  ViT: { size: 224, crop: false, resample: 2, mean: half, std: half },
  DeiT: { size: 256, crop: true, resample: 3, mean: imagenetMean, std: imagenetStandardDeviation },
  Siglip: { size: 224, crop: false, resample: 3, mean: half, std: half },
  CLIP: clip,
  Bit: clip,
};

/** `ViTImageProcessor`, `ViTImageProcessorFast`, `ViTFeatureExtractor`. */
const processorName = /^(\w+?)(?:ImageProcessor(?:Fast|Pil)?|FeatureExtractor)$/;

/** PIL's numbers of filters. */
const interpolations = { 2: 'bilinear', 3: 'bicubic' } as const;

/** What a network reads. */
export interface NetworkImages extends ImageSize {
  /** Default 3. */
  readonly channels?: number;
}

/**
 * The preprocessing that a `preprocessor_config.json` declares; that of `ViTImageProcessor` where
 * there is none.
 * @param input the network's, which the processor must produce.
 * @param file path of the file, for error sentences.
 * @throws {DiffrateError} where it asks for something unsupported or for another size.
 */
export function preprocessingFromProcessor(
  json: JsonObject | undefined,
  input: NetworkImages,
  file: string,
): Preprocessing {
  const { channels = 3 } = input;
  const inputSize = { height: input.height, width: input.width };
  const given = json === undefined ? { size: inputSize } : processorIn(json, file);
  const defaults = processorOf(given, file);
  checkMembers(channels === 1 ? greyMembers : colourMembers, given, file);
  if (given['size'] != null && !v.is(size, given['size']))
    throw unsupported(file, 'size', given['size'], 'a number, {"height", "width"} and {"shortest_edge"}');
  const declared = checkConfiguration(schema, given, file);
  const cover = declared.diffrate?.cover;
  const resized: Resized = cover === undefined ? resizedAs(declared, defaults) : { resize: cover, stretches: false };
  const { resize, stretches } = resized;
  const crops = declared.do_center_crop ?? defaults.crop;
  if (!crops && !stretches) {
    throw new DiffrateError(
      `${file}: "size" has only a shortest edge and "do_center_crop" is off, so that images have many sizes: ` +
        `use another model.`,
    );
  }
  const crop = crops ? sizeOf(declared.crop_size ?? inputSize) : resize;
  const made = { height: Math.min(crop.height, resize.height), width: Math.min(crop.width, resize.width) };
  if (made.height !== inputSize.height || made.width !== inputSize.width || !fitsIn(crop, resize)) {
    throw new DiffrateError(
      `${file} makes images of ${sizeText(made)} pixels where config.json has "image_size" ${sideText(inputSize)}: ` +
        `use both files of one model.`,
    );
  }
  return {
    resize,
    ...(stretches ? { resizeMode: 'stretch' as const } : {}),
    crop,
    interpolation: interpolations[declared.resample ?? defaults.resample],
    ...normalization(declared, defaults, channels, file),
  };
}

/** A warning of members that are not known. */
export function preprocessorWarnings(json: JsonObject | undefined, file: string): string[] {
  return json === undefined ? [] : ignoredMembers(file, checkMembers(greyMembers, processorIn(json, file), file));
}

/** Members that may stand around a processor: of its file, and of text. */
const around = /^(?:image_processor|feature_extractor|tokenizer|video_processor|processor_class|auto_map|.*_version)$/;

/**
 * The image processor of a file that has it as a member, as `processor_config.json` has.
 * @throws {DiffrateError} where members beside it say something of images, too.
 */
function processorIn(json: JsonObject, file: string): JsonObject {
  const member = ['image_processor', 'feature_extractor'].find((name) => isJsonObject(json[name]));
  const inner = member === undefined ? undefined : json[member];
  if (member === undefined || !isJsonObject(inner)) return json;
  const beside = Object.keys(json).find((name) => Object.hasOwn(members, name) && !around.test(name));
  if (beside === undefined) return inner;
  throw new DiffrateError(
    `${file}: "${beside}" stands beside "${member}", so that two places say what images become: keep one of them.`,
  );
}

type Declared = v.InferOutput<typeof schema>;

/**
 * `(value·factor − mean) / std` on our scale of 0…1, where `value·factor` is `255·factor` times as
 * large.
 */
function normalization(
  { rescale_factor: given, do_normalize: normalizes, image_mean: mean, image_std: std }: Declared,
  defaults: ProcessorDefaults,
  channels: number,
  file: string,
): Pick<Preprocessing, 'mean' | 'std'> {
  // Files write 1/255 with more or fewer digits.
  const exact = (given ?? 1 / 255) * 255;
  const scale = Math.abs(exact - 1) < 1e-3 ? 1 : exact;
  const own = (numbers: number | readonly number[], member: string): PerChannel =>
    perChannel(numbers, channels, member, file, scale);
  if (normalizes === false) return { mean: own(0, 'image_mean'), std: own(1, 'image_std') };
  return { mean: own(mean ?? defaults.mean, 'image_mean'), std: own(std ?? defaults.std, 'image_std') };
}

function processorOf(json: JsonObject, file: string): ProcessorDefaults {
  const member = json['image_processor_type'] == null ? 'feature_extractor_type' : 'image_processor_type';
  const type = json[member] ?? 'ViTImageProcessor';
  const name = typeof type === 'string' ? (processorName.exec(type)?.[1] ?? '') : '';
  const known = Object.hasOwn(processors, name) ? processors[name] : undefined;
  if (known !== undefined) return known;
  const supported = Object.keys(processors).map((own) => `${own}ImageProcessor`);
  throw unsupported(file, member, type, supported.join(', '));
}

/** What images become before the crop. */
interface Resized {
  readonly resize: ImageSize;
  /** Whether both sides are set, whatever the ratio. */
  readonly stretches: boolean;
}

function resizedAs({ size, default_to_square: isSide }: Declared, defaults: ProcessorDefaults): Resized {
  const { coversSize = false } = defaults;
  const given = size ?? defaults.size;
  if (typeof given === 'number') return { resize: square(given), stretches: isSide ?? !coversSize };
  if ('shortest_edge' in given) return { resize: square(given.shortest_edge), stretches: false };
  return { resize: given, stretches: true };
}

const sizeOf = (size: number | ImageSize): ImageSize => (typeof size === 'number' ? square(size) : size);

const fitsIn = (crop: ImageSize, whole: ImageSize): boolean => crop.height <= whole.height && crop.width <= whole.width;

/** One number where both sides are equal, as `image_size` mostly has it. */
const sideText = (size: ImageSize): string => (isSquare(size) ? String(size.width) : sizeText(size));
