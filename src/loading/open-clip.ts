/**
 * `open_clip_config.json` of OpenCLIP (`open_clip/src/open_clip/timm_model.py`, `CLIPVisionCfg` in
 * `model.py`) as timm's `config.json`: its vision tower is a timm model under `visual.trunk.`,
 * whose features a projection may follow. What is read here are the trunk's answers.
 */
import * as v from 'valibot';
import { checkConfiguration, positiveInteger, unsupported } from '../checkpoints/configuration-check.ts';
import { isJsonObject } from '../checkpoints/json-object.ts';
import type { JsonObject } from '../checkpoints/json-object.ts';
import { checkMembers, harmless, ignoredMembers, only, read } from '../checkpoints/member-table.ts';
import type { MemberTable } from '../checkpoints/member-table.ts';
import type { Weights } from '../checkpoints/weights.ts';
import { DiffrateError, quoted } from '../errors.ts';

const side = v.union([positiveInteger, v.strictTuple([positiveInteger, positiveInteger])]);
const channels = v.union([v.number(), v.array(v.number())]);

const schema = v.object({
  model_cfg: v.object({
    vision_cfg: v.object({
      timm_model_name: v.nullish(v.string()),
      timm_pool: v.nullish(v.string(), 'avg'),
      timm_proj: v.nullish(v.string(), 'linear'),
      image_size: v.nullish(side),
    }),
  }),
  preprocess_cfg: v.nullish(
    v.object({
      size: v.nullish(side),
      mean: v.nullish(channels),
      std: v.nullish(channels),
      interpolation: v.nullish(v.string()),
      resize_mode: v.nullish(v.string()),
    }),
  ),
});

/** Members of `vision_cfg`; one that is not here is refused. */
const visionMembers: MemberTable = {
  ...read('timm_model_name', 'timm_pool', 'timm_proj', 'image_size'),
  ...harmless('training only', 'timm_model_pretrained', 'timm_drop', 'timm_drop_path', 'patch_dropout'),
  ...harmless('of the projection', 'timm_proj_bias'),
  ...harmless('of towers that are not of timm', 'layers', 'width', 'head_width', 'mlp_ratio', 'patch_size'),
};

/** Members of `preprocess_cfg`. */
const preprocessMembers: MemberTable = {
  ...read('size', 'mean', 'std'),
  ...only(['bicubic', 'bilinear'], 'interpolation'),
  ...only(['shortest', 'squash'], 'resize_mode'),
  ...only(['RGB'], 'mode'),
  ...harmless('of another way of resizing', 'fill_color'),
};

/** Mean and standard deviation of CLIP, which OpenCLIP takes where nothing is said. */
const clipMean = [0.48145466, 0.4578275, 0.40821073];
const clipStandardDeviation = [0.26862954, 0.26130258, 0.27577711];

/** Whether a configuration is OpenCLIP's. */
export function isOpenClip(json: JsonObject): boolean {
  return isJsonObject(json['model_cfg']) && isJsonObject(json['model_cfg']['vision_cfg']);
}

/** The vision tower as timm has it. */
export interface VisionTower {
  readonly configuration: JsonObject;
  /** What was assumed, and members that are not known. */
  readonly warnings: readonly string[];
}

/**
 * The vision tower of an OpenCLIP model.
 * @param weights of the trunk, under timm's names.
 * @param file path of the configuration, for error sentences.
 * @throws {DiffrateError} where it is no timm model, or a member is not known.
 */
export function openClipTower(json: JsonObject, weights: Weights, file: string): VisionTower {
  const { model_cfg: model, preprocess_cfg: preprocess } = json;
  const vision = isJsonObject(model) ? model['vision_cfg'] : undefined;
  rejectUnknown(isJsonObject(vision) ? checkMembers(visionMembers, vision, file, 'model_cfg.vision_cfg.') : [], file);
  const unknown = isJsonObject(preprocess) ? checkMembers(preprocessMembers, preprocess, file, 'preprocess_cfg.') : [];
  const declared = checkConfiguration(schema, json, file);
  const { timm_model_name: name, timm_pool: pooling, image_size: size } = declared.model_cfg.vision_cfg;
  if (name == null) {
    throw new DiffrateError(
      `${file} has no "model_cfg.vision_cfg.timm_model_name", so its vision tower is OpenCLIP's own, which is not supported: use a model whose tower is a ViT of timm.`,
    );
  }
  if (pooling !== 'avg' && pooling !== 'token' && pooling !== '')
    throw unsupported(file, 'model_cfg.vision_cfg.timm_pool', pooling, '"avg" and "token"');
  const [height, width] = sidesOf(size ?? declared.preprocess_cfg?.size ?? 224);
  const norms = ['norm', 'fc_norm'].filter((norm) => weights.has(`${norm}.weight`));
  const pretrained = {
    input_size: [3, height, width],
    mean: declared.preprocess_cfg?.mean ?? clipMean,
    std: declared.preprocess_cfg?.std ?? clipStandardDeviation,
    interpolation: declared.preprocess_cfg?.interpolation ?? 'bicubic',
    crop_pct: 1,
    crop_mode: declared.preprocess_cfg?.resize_mode === 'squash' ? 'squash' : 'center',
  };
  return {
    configuration: {
      architecture: name,
      global_pool: pooling === 'avg' ? 'avg' : 'token',
      // The pooling is set after the network is built, so the norm stays where it was.
      model_args: { img_size: [height, width], ...(norms.length === 1 ? { fc_norm: norms[0] === 'fc_norm' } : {}) },
      pretrained_cfg: pretrained,
    },
    warnings: [
      `${file} is OpenCLIP's: the vision tower alone is taken, a ViT of timm called ${quoted(name)} that reads ${pooling === 'avg' ? 'the mean of the patches' : 'the class token'}.`,
      ...ignoredMembers(file, unknown),
    ],
  };
}

function rejectUnknown([first]: readonly string[], file: string): void {
  if (first === undefined) return;
  throw new DiffrateError(
    `${file}: ${quoted(first)} is not known here, so it may change the answers: use another model.`,
  );
}

/** Parts of the tower behind the trunk. */
const projection = /(?:^|\.)visual\.head\.|^head\.(?:proj|mlp)\./;

/**
 * Refuses a tower whose answers go through a projection.
 * @param names of tensors beside the trunk's.
 * @throws {DiffrateError} that names one of the projection's.
 */
export function rejectProjection(names: readonly string[], checkpoint: string): void {
  const tensor = names.find((name) => projection.test(name));
  if (tensor === undefined) return;
  throw new DiffrateError(
    `${checkpoint} has a projection behind its vision tower (the tensor ${quoted(tensor)}), which cannot be computed here: save the tower alone with timm and use that.`,
  );
}

const sidesOf = (size: number | readonly [number, number]): readonly [number, number] =>
  typeof size === 'number' ? [size, size] : size;
