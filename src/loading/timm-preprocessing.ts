/**
 * What `config.json` of timm's models on the hub says of their images and classes (timm
 * `models/_hub.py`): the `pretrained_cfg` of `models/_pretrained.py`, and names of labels. What it
 * says of the network is read by its family (`networks/`).
 */
import * as v from 'valibot';
import { checkConfiguration, positiveInteger } from '../checkpoints/configuration-check.ts';
import { isJsonObject } from '../checkpoints/json-object.ts';
import type { JsonObject } from '../checkpoints/json-object.ts';
import { checkMembers, harmless, ignoredMembers, only, read } from '../checkpoints/member-table.ts';
import type { MemberTable } from '../checkpoints/member-table.ts';
import type { ImageSize, Preprocessing } from '../data/preprocessing.ts';
import { channelNumbers, perChannel } from './channel-statistics.ts';
import { labelsFromNames, namesWithoutDescriptions } from './labels.ts';
import type { Labels } from './labels.ts';

const pretrainedSchema = v.object({
  input_size: v.strictTuple([positiveInteger, positiveInteger, positiveInteger]),
  mean: channelNumbers,
  std: channelNumbers,
  interpolation: v.nullish(v.picklist(['bicubic', 'bilinear', '']), 'bicubic'),
  crop_pct: v.nullish(v.pipe(v.number(), v.minValue(0.01, 'above 0'), v.maxValue(1, 'at most 1'))),
  crop_mode: v.nullish(v.picklist(['center', 'squash', '']), 'center'),
  label_names: v.nullish(v.array(v.unknown())),
});

const schema = v.object({
  pretrained_cfg: pretrainedSchema,
  label_names: v.nullish(v.array(v.unknown())),
  label_descriptions: v.nullish(v.record(v.string(), v.unknown())),
});

/** Members at the top of the file. */
const members: MemberTable = {
  ...read(
    'architecture',
    'global_pool',
    'model_args',
    'pretrained_cfg',
    'label_names',
    'label_descriptions',
    'problem_type',
  ),
  ...harmless('the checkpoint says it', 'num_classes', 'num_features'),
  ...harmless('says who wrote it', 'transformers_version', 'architectures', 'model_type', 'license', 'tags'),
  ...harmless('the checkpoint says it', 'torch_dtype', 'dtype', 'do_pooling', 'initializer_range'),
  ...harmless('labels are read in their own order', 'id2label', 'label2id', 'num_labels'),
};

/**
 * Members of `pretrained_cfg`. timm takes `test_input_size` and `test_crop_pct` only where it is
 * told to (`use_test_size` in `resolve_data_config`), and makes images of `input_size` otherwise.
 */
const pretrainedMembers: MemberTable = {
  ...read('input_size', 'mean', 'std', 'crop_pct', 'label_names', 'global_pool'),
  ...only(['bicubic', 'bilinear', ''], 'interpolation'),
  ...only(['center', 'squash', ''], 'crop_mode'),
  ...harmless('only where it is asked for', 'test_input_size', 'test_crop_pct', 'min_input_size'),
  ...harmless('the input has that size', 'fixed_input_size', 'pool_size', 'pad_size', 'strict_img_size'),
  ...harmless('where weights are and who made them', 'url', 'file', 'hf_hub_id', 'hf_hub_filename', 'source'),
  ...harmless('where weights are and who made them', 'state_dict', 'custom_load', 'architecture', 'tag', 'tags'),
  ...harmless('where weights are and who made them', 'paper_ids', 'paper_name', 'origin_url', 'license'),
  ...harmless('where weights are and who made them', 'notes', 'description', 'comments', 'hf_hub_id_filename'),
  ...harmless('names of tensors', 'first_conv', 'classifier', 'num_classes', 'num_features', 'labels'),
};

/** timm's `DEFAULT_CROP_PCT`. */
const defaultCropShare = 0.875;

/** How a timm model's images are made, and its classes called. */
export interface TimmPreprocessing {
  readonly preprocessing: Preprocessing;
  readonly labels: Labels | undefined;
  /** The names of which `labels` are descriptions. */
  readonly otherNames: Labels;
  /** Members of the file that are not known. */
  readonly warnings: readonly string[];
}

/**
 * Preprocessing and labels that a timm `config.json` declares.
 * @param input pixels that the network reads.
 * @param file path of the file, for error sentences.
 * @throws {DiffrateError} where a member is missing, wrong or asks for something unsupported.
 */
export function timmPreprocessing(
  json: JsonObject,
  { height, width, channels }: ImageSize & { readonly channels: number },
  file: string,
): TimmPreprocessing {
  const { pretrained_cfg: given } = json;
  const unknown = [
    ...checkMembers(members, json, file),
    ...(isJsonObject(given) ? checkMembers(pretrainedMembers, given, file, 'pretrained_cfg.') : []),
  ];
  const declared = checkConfiguration(schema, json, file);
  const { pretrained_cfg: pretrained } = declared;
  const names = declared.label_names ?? pretrained.label_names ?? undefined;
  return {
    preprocessing: {
      ...sizesOf(pretrained, { height, width }),
      interpolation: pretrained.interpolation === 'bilinear' ? 'bilinear' : 'bicubic',
      mean: perChannel(pretrained.mean, channels, 'pretrained_cfg.mean', file),
      std: perChannel(pretrained.std, channels, 'pretrained_cfg.std', file),
    },
    labels: labelsFromNames(names, declared.label_descriptions ?? undefined),
    otherNames: namesWithoutDescriptions(names),
    warnings: ignoredMembers(file, unknown),
  };
}

/** As timm's `create_transform` makes the evaluation's for an input of the size `crop`. */
function sizesOf(
  pretrained: v.InferOutput<typeof pretrainedSchema>,
  crop: ImageSize,
): Pick<Preprocessing, 'resize' | 'resizeMode' | 'crop'> {
  const resized = (side: number): number => Math.floor(side / (pretrained.crop_pct ?? defaultCropShare));
  return {
    resize: { height: resized(crop.height), width: resized(crop.width) },
    ...(pretrained.crop_mode === 'squash' ? { resizeMode: 'stretch' as const } : {}),
    crop,
  };
}
