/**
 * What `config.json` of timm's models on the hub says of their images and classes (timm
 * `models/_hub.py`): the `pretrained_cfg` of `models/_pretrained.py`, and names of labels. What it
 * says of the network is read by its family (`networks/`).
 */
import * as v from 'valibot';
import { checkConfiguration, perChannel, positiveInteger } from '../checkpoints/configuration-check.ts';
import type { JsonObject } from '../checkpoints/json-object.ts';
import type { ImageSize, Preprocessing } from '../data/preprocessing.ts';
import { labelsFromNames } from './labels.ts';
import type { Labels } from './labels.ts';

const pretrainedSchema = v.object({
  input_size: v.strictTuple([v.literal(3), positiveInteger, positiveInteger]),
  mean: perChannel,
  std: perChannel,
  interpolation: v.optional(v.picklist(['bicubic', 'bilinear']), 'bicubic'),
  crop_pct: v.optional(v.nullable(v.pipe(v.number(), v.minValue(0.01, 'above 0'), v.maxValue(1, 'at most 1'))), null),
  crop_mode: v.optional(v.picklist(['center', 'squash']), 'center'),
  label_names: v.optional(v.nullable(v.array(v.string()))),
});

const schema = v.object({
  pretrained_cfg: pretrainedSchema,
  label_names: v.optional(v.nullable(v.array(v.string()))),
  label_descriptions: v.optional(v.nullable(v.record(v.string(), v.string()))),
});

/** timm's `DEFAULT_CROP_PCT`. */
const defaultCropShare = 0.875;

/** How a timm model's images are made, and its classes called. */
export interface TimmPreprocessing {
  readonly preprocessing: Preprocessing;
  readonly labels: Labels | undefined;
}

/**
 * Preprocessing and labels that a timm `config.json` declares.
 * @param input pixels that the network reads.
 * @param file path of the file, for error sentences.
 * @throws {DiffrateError} where a member is missing or wrong.
 */
export function timmPreprocessing(json: JsonObject, { height, width }: ImageSize, file: string): TimmPreprocessing {
  const declared = checkConfiguration(schema, json, file);
  const { pretrained_cfg: pretrained } = declared;
  const names = declared.label_names ?? pretrained.label_names ?? undefined;
  return {
    preprocessing: preprocessingOf(pretrained, { height, width }),
    labels: labelsFromNames(names, declared.label_descriptions ?? undefined),
  };
}

/** As timm's `create_transform` makes the evaluation's for an input of the size `crop`. */
function preprocessingOf(pretrained: v.InferOutput<typeof pretrainedSchema>, crop: ImageSize): Preprocessing {
  const resized = (side: number): number => Math.floor(side / (pretrained.crop_pct ?? defaultCropShare));
  return {
    resize: { height: resized(crop.height), width: resized(crop.width) },
    ...(pretrained.crop_mode === 'squash' ? { resizeMode: 'stretch' as const } : {}),
    crop,
    interpolation: pretrained.interpolation,
    mean: pretrained.mean,
    std: pretrained.std,
  };
}
