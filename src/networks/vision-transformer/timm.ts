/**
 * `config.json` of timm's models on the hub (timm `models/_hub.py`) for plain Vision Transformers.
 * `model_args` are arguments of `VisionTransformer` in timm's `vision_transformer.py`. Sizes that
 * the architecture's name does not tell are read from the checkpoint.
 */
import * as v from 'valibot';
import { blockCount, checkConfiguration, positiveInteger, unsupported } from '../../checkpoints/configuration-check.ts';
import { isJsonObject } from '../../checkpoints/json-object.ts';
import { absent, checkMembers, harmless, only, read } from '../../checkpoints/member-table.ts';
import type { MemberTable } from '../../checkpoints/member-table.ts';
import { DiffrateError, quoted } from '../../errors.ts';
import type { ConfigurationFile, DeclaredNetwork } from '../family.ts';
import { lookUpModel } from '../registry.ts';
import { checkQkvBias, problemOf, problemType, timmActivations } from './architecture-words.ts';
import { checkpointSizes, declaredVisionTransformer } from './checkpoint.ts';
import type { CheckpointSizes } from './checkpoint.ts';
import { usualVisionTransformer } from './configuration.ts';
import type { VisionTransformerConfiguration } from './configuration.ts';

const pooling = v.picklist(['token', 'avg', '']);
const inputSize = v.strictTuple([positiveInteger, positiveInteger, positiveInteger]);
const side = v.union([positiveInteger, v.strictTuple([positiveInteger, positiveInteger])]);

const schema = v.object({
  architecture: v.string(),
  global_pool: v.nullish(pooling),
  model_args: v.nullish(
    v.object({
      img_size: v.nullish(side),
      patch_size: v.nullish(side),
      in_chans: v.nullish(positiveInteger),
      embed_dim: v.nullish(positiveInteger),
      depth: v.nullish(blockCount),
      num_heads: v.nullish(positiveInteger),
      mlp_ratio: v.nullish(v.number()),
      global_pool: v.nullish(pooling),
      class_token: v.nullish(v.boolean(), true),
      fc_norm: v.nullish(v.boolean()),
      qkv_bias: v.nullish(v.boolean()),
      act_layer: v.nullish(v.string(), 'gelu'),
      norm_eps: v.nullish(v.pipe(v.number(), v.minValue(0, 'at least 0'))),
    }),
    {},
  ),
  problem_type: problemType,
  pretrained_cfg: v.object({ input_size: inputSize, global_pool: v.nullish(pooling) }),
});

/** Arguments of `VisionTransformer`; one that is not here is refused. */
const modelArguments: MemberTable = {
  ...read('img_size', 'patch_size', 'in_chans', 'embed_dim', 'depth', 'num_heads', 'mlp_ratio', 'global_pool'),
  ...read('class_token', 'fc_norm', 'qkv_bias', 'act_layer', 'norm_eps'),
  ...harmless('the checkpoint says it', 'num_classes', 'pretrained', 'pretrained_cfg', 'checkpoint_path'),
  ...harmless('training only', 'drop_rate', 'pos_drop_rate', 'patch_drop_rate', 'proj_drop_rate'),
  ...harmless('training only', 'attn_drop_rate', 'drop_path_rate', 'weight_init', 'fix_init', 'drop_block_rate'),
  ...harmless('at the size of the input nothing changes', 'dynamic_img_size', 'dynamic_img_pad'),
  ...harmless('at the size of the input nothing changes', 'strict_img_size', 'always_partition'),
  ...harmless('how it is run', 'scriptable', 'exportable', 'no_jit', 'device', 'dtype', 'cache_dir'),
  ...only([true], 'proj_bias', 'final_norm'),
  ...only(['learn'], 'pos_embed'),
  ...only(['layernorm', 'LayerNorm'], 'norm_layer'),
  ...only(['Block'], 'block_fn'),
  ...only(['Mlp', 'mlp'], 'mlp_layer'),
  ...only(['PatchEmbed'], 'embed_layer'),
  ...absent('no_embed_class', 'pre_norm', 'qk_norm', 'init_values', 'reg_tokens', 'pool_include_prefix'),
  ...absent('scale_attn_norm', 'scale_mlp_norm', 'embed_norm_layer', 'attn_layer', 'distilled'),
  ...absent('representation_size', 'features_only', 'out_indices', 'use_rot_pos_emb', 'rope_type', 'attn_pool'),
};

/**
 * Architectures of timm's `vision_transformer.py` and `deit.py` whose function names no arguments
 * but sizes, by their sizes' names.
 */
const plainArchitecture = /^(?:vit|deit)_(tiny|small|base|large)_patch\d+_(?:\d+|mae)(?=[._]|$)/;

/** What an architecture's name says. */
interface NamedSizes {
  readonly width: number;
  readonly heads: number;
}

/** Width and heads of those. */
const plainSizes: Readonly<Record<string, NamedSizes>> = {
  tiny: { width: 192, heads: 3 },
  small: { width: 384, heads: 6 },
  base: { width: 768, heads: 12 },
  large: { width: 1024, heads: 16 },
};

/** What timm's functions of such names change without a trace in the file or in the checkpoint. */
const changedInSilence = /quickgelu|clip|siglip|rope|dinov|rpn|relpos|_xp_|_gap_|eva|beit|intern|samvit|hiera/;

/**
 * The network that a `config.json` declares; `undefined` where it is of another family.
 * @throws {DiffrateError} where a member is missing, asks for something unsupported or is not
 *   known, or the architecture is not a plain Vision Transformer.
 */
export function fromTimm(configuration: ConfigurationFile): DeclaredNetwork | undefined {
  const { json, file, weights, checkpoint } = configuration;
  const { architecture, model_args: stated } = json;
  const statesHeads = isJsonObject(stated) && stated['num_heads'] != null;
  const named = sizesByName(String(architecture), statesHeads, file);
  rejectUnknownArguments(stated, file);
  const declared = checkConfiguration(schema, json, file);
  const { pretrained_cfg: pretrained } = declared;
  const model = declared.model_args ?? { class_token: true, act_layer: 'gelu' };
  const [inputChannels, height, width] = pretrained.input_size;
  const channels = model.in_chans ?? inputChannels;
  if (channels !== 1 && channels !== 3)
    throw unsupported(
      file,
      model.in_chans ? 'model_args.in_chans' : 'pretrained_cfg.input_size',
      model.in_chans ?? pretrained.input_size,
      '1 (grey) and 3 (RGB) channels',
    );
  checkQkvBias(configuration, 'model_args.qkv_bias', model.qkv_bias);
  const sizes = checkpointSizes(weights, checkpoint);
  const pool = poolOf(declared, sizes, file);
  const hasClassToken = model.class_token ?? true;
  const patchSide = model.patch_size ?? sizes.patchSize;
  if (typeof patchSide !== 'number' && patchSide[0] !== patchSide[1])
    throw unsupported(file, 'model_args.patch_size', patchSide, 'square patches');
  const embeddingWidth = model.embed_dim ?? sizes.width;
  return declaredVisionTransformer({
    ...usualVisionTransformer,
    inputSize: sizeOf(model.img_size) ?? { height, width },
    channels,
    patchSize: typeof patchSide === 'number' ? patchSide : patchSide[0],
    prefixTokens: hasClassToken ? usualVisionTransformer.prefixTokens : [],
    width: embeddingWidth,
    depth: model.depth ?? sizes.depth,
    heads: headsOf(declared, named, sizes.width, file),
    hiddenWidth: model.mlp_ratio == null ? sizes.hiddenWidth : Math.trunc(embeddingWidth * model.mlp_ratio),
    activation: timmActivations.of(model.act_layer ?? 'gelu', 'model_args.act_layer', file),
    classes: typeof json['num_classes'] === 'number' ? json['num_classes'] : sizes.classes,
    problem: problemOf(declared.problem_type),
    pool,
    ...(model.fc_norm == null ? {} : { lastNorm: model.fc_norm ? 'fc_norm' : 'norm' }),
    layerNormEpsilon: model.norm_eps ?? usualVisionTransformer.layerNormEpsilon,
  });
}

function rejectUnknownArguments(json: unknown, file: string): void {
  if (!isJsonObject(json)) return;
  const [unknown] = checkMembers(modelArguments, json, file, 'model_args.');
  if (unknown === undefined) return;
  throw new DiffrateError(
    `${file}: ${quoted(unknown)} is no argument of a Vision Transformer that is known here, so it may change the answers: use another model.`,
  );
}

function sizeOf(
  size: number | readonly [number, number] | null | undefined,
): VisionTransformerConfiguration['inputSize'] | undefined {
  if (size == null) return undefined;
  return typeof size === 'number' ? { height: size, width: size } : { height: size[0], width: size[1] };
}

/**
 * timm builds a network with the arguments' pooling, else with that of `pretrained_cfg`; at the top
 * it writes down what it had. An encoder is read by its class token where nothing is said.
 */
function poolOf(
  { global_pool: top, model_args: model, pretrained_cfg: pretrained }: v.InferOutput<typeof schema>,
  { classes }: CheckpointSizes,
  file: string,
): VisionTransformerConfiguration['pool'] {
  const stated = [
    ['model_args.global_pool', model?.global_pool],
    ['pretrained_cfg.global_pool', pretrained.global_pool],
    ['global_pool', top],
  ] as const;
  const [first, ...others] = stated.filter(([, value]) => value != null);
  const other = others.find(([, value]) => value !== first?.[1]);
  if (first !== undefined && other !== undefined) {
    throw new DiffrateError(
      `${file}: "${first[0]}" is ${quoted(first[1])} and "${other[0]}" is ${quoted(other[1])}, so it is not said what the network reads: download the file again.`,
    );
  }
  const [member, pool] = first ?? ['global_pool', 'token'];
  if (pool === '' && classes > 0) throw unsupported(file, member, pool, '"token" and "avg"');
  const hasClassToken = model?.class_token ?? true;
  if (!hasClassToken && pool !== 'avg') {
    throw new DiffrateError(
      `${file}: "model_args.class_token" is false, but "${member}" is ${quoted(pool)} where a network without a class token has "avg": use another model.`,
    );
  }
  return pool === 'avg' ? 'mean' : 'class-token';
}

/**
 * Width and heads of an architecture that is known by name; `undefined` of another one, whose
 * arguments must say them.
 * @throws {DiffrateError} where it is known as something else, or nothing says its number of heads.
 */
function sizesByName(architecture: string, statesHeads: boolean, file: string): NamedSizes | undefined {
  if (changedInSilence.test(architecture)) throw refused(architecture, 'it is no plain Vision Transformer', file);
  const named =
    lookUpModel(architecture)?.network.features ?? plainSizes[plainArchitecture.exec(architecture)?.[1] ?? ''];
  if (named === undefined && !statesHeads)
    throw refused(
      architecture,
      'nothing says how many attention heads it has: the name is none of a plain ViT of timm, and no "num_heads" is stated',
      file,
    );
  return named;
}

/** The number of heads leaves no trace in a checkpoint: it is stated, or follows from the name. */
function headsOf(
  { architecture, model_args: model }: v.InferOutput<typeof schema>,
  named: NamedSizes | undefined,
  width: number,
  file: string,
): number {
  const stated = model?.num_heads ?? undefined;
  if (stated === undefined && named?.width !== width && model?.embed_dim == null) {
    const why = `it has a width of ${named?.width}, the checkpoint one of ${width}, and no "num_heads" is stated`;
    throw refused(architecture, why, file);
  }
  const heads = stated ?? named?.heads ?? 0;
  if (width % heads === 0) return heads;
  throw new DiffrateError(
    `${file}: the width ${width} is not divisible by ${heads} heads: use the config.json and the checkpoint of one model.`,
  );
}

function refused(architecture: string, why: string, file: string): DiffrateError {
  return new DiffrateError(
    `${file}: the architecture ${quoted(architecture)} is not supported (${why}): use a plain ViT or DeiT.`,
  );
}
