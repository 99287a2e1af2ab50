/**
 * `config.json` of timm's models on the hub (timm `models/_hub.py`) for plain Vision Transformers.
 * Sizes that the architecture's name does not tell are read from the checkpoint.
 */
import * as v from 'valibot';
import { checkConfiguration, positiveInteger } from '../../checkpoints/configuration-check.ts';
import { DiffrateError } from '../../errors.ts';
import type { ConfigurationFile, DeclaredNetwork } from '../family.ts';
import { lookUpModel } from '../registry.ts';
import { checkpointSizes, declaredVisionTransformer } from './checkpoint.ts';
import { usualVisionTransformer } from './configuration.ts';

const schema = v.object({
  architecture: v.string(),
  global_pool: v.optional(v.picklist(['token', 'avg', '']), 'token'),
  model_args: v.optional(
    v.object({ img_size: v.optional(positiveInteger), num_heads: v.optional(positiveInteger) }),
    {},
  ),
  pretrained_cfg: v.object({ input_size: v.strictTuple([v.literal(3), positiveInteger, positiveInteger]) }),
});

/** Width of a head in every plain ViT of timm up to the large size. */
const usualHeadWidth = 64;

/**
 * Architectures of timm's `vision_transformer.py` and `deit.py` that are plain ViTs, with heads of
 * the usual width.
 */
const plainArchitecture = /^(?:vit|deit)_(?:tiny|small|base|large)_patch\d+_(?:\d+|clip_\d+|mae)/;

/**
 * The network that a `config.json` declares; `undefined` where it is of another family.
 * @throws {DiffrateError} where a member is missing or the architecture is not a plain Vision
 *   Transformer.
 */
export function fromTimm({ json, file, weights, checkpoint }: ConfigurationFile): DeclaredNetwork | undefined {
  const declared = checkConfiguration(schema, json, file);
  const { pretrained_cfg: pretrained, model_args: model, architecture } = declared;
  const [, height, width] = pretrained.input_size;
  const sizes = checkpointSizes(weights, checkpoint);
  const side = model.img_size;
  return declaredVisionTransformer({
    ...usualVisionTransformer,
    inputSize: side === undefined ? { height, width } : { height: side, width: side },
    patchSize: sizes.patchSize,
    width: sizes.width,
    depth: sizes.depth,
    heads: model.num_heads ?? headsOf(architecture, sizes.width, file),
    hiddenWidth: sizes.hiddenWidth,
    classes: sizes.classes,
    pool: declared.global_pool === 'avg' ? 'mean' : 'class-token',
  });
}

function headsOf(architecture: string, width: number, file: string): number {
  const known = lookUpModel(architecture)?.network.features;
  if (known?.width === width) return known.heads;
  if (plainArchitecture.test(architecture) && width % usualHeadWidth === 0) return width / usualHeadWidth;
  throw new DiffrateError(
    `${file}: the architecture "${architecture}" is not supported: use a plain ViT or DeiT, or state "model_args.num_heads" if it is one.`,
  );
}
