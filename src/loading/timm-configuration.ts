/**
 * `config.json` of timm's models on the hub (timm `models/_hub.py`): an architecture's name, `num_classes` and the
 * `pretrained_cfg` of `models/_pretrained.py`. Sizes that the name does not tell are read from the checkpoint.
 */
import * as v from 'valibot';
import { DiffrateError } from '../errors.ts';
import type { JsonObject } from '../checkpoints/model-folder.ts';
import type { Weights } from '../checkpoints/weights.ts';
import type { Preprocessing, VisionTransformerConfiguration } from '../models/configuration.ts';
import { lookUpModel } from '../models/registry.ts';
import { checkpointSizes } from './checkpoint-sizes.ts';
import { checkConfiguration, perChannel, positiveInteger } from './configuration-check.ts';
import type { DeclaredNetwork } from './hugging-face-configuration.ts';
import { labelsFromNames } from './labels.ts';

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
  architecture: v.string(),
  global_pool: v.optional(v.picklist(['token', 'avg', '']), 'token'),
  model_args: v.optional(
    v.object({ img_size: v.optional(positiveInteger), num_heads: v.optional(positiveInteger) }),
    {},
  ),
  pretrained_cfg: pretrainedSchema,
  label_names: v.optional(v.nullable(v.array(v.string()))),
  label_descriptions: v.optional(v.nullable(v.record(v.string(), v.string()))),
});

/** timm's `DEFAULT_CROP_PCT`. */
const defaultCropShare = 0.875;

/** Width of a head in every plain ViT of timm up to the large size. */
const usualHeadWidth = 64;

/** Architectures of timm's `vision_transformer.py` and `deit.py` that are plain ViTs, with heads of the usual width. */
const plainArchitecture = /^(?:vit|deit)_(?:tiny|small|base|large)_patch\d+_(?:\d+|clip_\d+|mae)/;

/**
 * The network that a timm `config.json` declares.
 * @param weights the checkpoint with canonical names.
 * @param file path of the configuration, `source` that of the checkpoint, for error sentences.
 * @throws {DiffrateError} where a member is missing or the architecture is not supported.
 */
export function timmNetwork(json: JsonObject, weights: Weights, file: string, source: string): DeclaredNetwork {
  const declared = checkConfiguration(schema, json, file);
  const { pretrained_cfg: pretrained, model_args: model, architecture } = declared;
  const [, height, width] = pretrained.input_size;
  if (height !== width) {
    throw new DiffrateError(
      `${file}: "pretrained_cfg.input_size" is ${height}×${width}, but only squares are supported: use a model with square input.`,
    );
  }
  const inputSize = model.img_size ?? height;
  const sizes = checkpointSizes(weights, source);
  const configuration: VisionTransformerConfiguration = {
    family: 'vision-transformer',
    inputSize,
    patchSize: sizes.patchSize,
    width: sizes.width,
    depth: sizes.depth,
    heads: model.num_heads ?? headsOf(architecture, sizes.width, file),
    hiddenWidth: sizes.hiddenWidth,
    classes: sizes.classes,
    pool: declared.global_pool === 'avg' ? 'mean' : 'class-token',
    layerNormEpsilon: 1e-6,
    preprocessing: preprocessingOf(pretrained, inputSize),
  };
  const names = declared.label_names ?? pretrained.label_names ?? undefined;
  return { configuration, labels: labelsFromNames(names, declared.label_descriptions ?? undefined) };
}

function headsOf(architecture: string, width: number, file: string): number {
  const known = lookUpModel(architecture)?.configuration;
  if (known?.family === 'vision-transformer' && known.width === width) return known.heads;
  if (plainArchitecture.test(architecture) && width % usualHeadWidth === 0) return width / usualHeadWidth;
  throw new DiffrateError(
    `${file}: the architecture "${architecture}" is not supported: use a plain ViT or DeiT, or state "model_args.num_heads" if it is one.`,
  );
}

function preprocessingOf(pretrained: v.InferOutput<typeof pretrainedSchema>, inputSize: number): Preprocessing {
  const resized = Math.floor(inputSize / (pretrained.crop_pct ?? defaultCropShare));
  return {
    resizeShortSide: resized,
    ...(pretrained.crop_mode === 'squash' ? { resizeMode: 'square' as const } : {}),
    cropSize: inputSize,
    interpolation: pretrained.interpolation,
    mean: pretrained.mean,
    std: pretrained.std,
  };
}
