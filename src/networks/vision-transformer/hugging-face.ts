/**
 * `config.json` of Hugging Face transformers for the ViT family: `ViTConfig`, `DeiTConfig`,
 * `ViTMAEConfig`.
 */
import * as v from 'valibot';
import { checkConfiguration, positiveInteger } from '../../checkpoints/configuration-check.ts';
import { DiffrateError } from '../../errors.ts';
import type { ConfigurationFile, DeclaredNetwork } from '../family.ts';
import { declaredVisionTransformer } from './checkpoint.ts';
import { usualVisionTransformer } from './configuration.ts';

/** Values of `model_type`. */
const modelTypes: readonly unknown[] = ['vit', 'deit', 'vit_mae'];

/** A side in pixels, or `[height, width]`. */
const side = v.union([positiveInteger, v.strictTuple([positiveInteger, positiveInteger])]);

const schema = v.object({
  model_type: v.string(),
  image_size: side,
  patch_size: side,
  hidden_size: positiveInteger,
  num_hidden_layers: positiveInteger,
  num_attention_heads: positiveInteger,
  intermediate_size: positiveInteger,
  layer_norm_eps: v.pipe(v.number(), v.minValue(0, 'at least 0')),
  hidden_act: v.optional(v.literal('gelu'), 'gelu'),
  num_channels: v.optional(v.literal(3), 3),
  problem_type: v.optional(v.nullable(v.string())),
});

/**
 * The network that a `config.json` declares; `undefined` where it is of another family.
 * @throws {DiffrateError} where a member is missing or asks for something unsupported.
 */
export function fromHuggingFace({ json, file }: ConfigurationFile): DeclaredNetwork | undefined {
  if (!modelTypes.includes(json['model_type'])) return undefined;
  const declared = checkConfiguration(schema, json, file);
  const { hidden_size: width, num_attention_heads: heads, image_size: size } = declared;
  if (width % heads !== 0) {
    throw new DiffrateError(
      `${file}: "hidden_size" ${width} is not divisible by "num_attention_heads" ${heads}: correct one of them.`,
    );
  }
  const [inputHeight, inputWidth] = typeof size === 'number' ? [size, size] : size;
  return declaredVisionTransformer({
    ...usualVisionTransformer,
    inputSize: { height: inputHeight, width: inputWidth },
    channels: declared.num_channels,
    patchSize: squareSide(declared.patch_size, 'patch_size', file),
    width,
    depth: declared.num_hidden_layers,
    heads,
    hiddenWidth: declared.intermediate_size,
    activation: declared.hidden_act,
    classes: 0,
    problem: declared.problem_type === 'multi_label_classification' ? 'labels' : 'classes',
    pool: declared.model_type === 'vit_mae' ? 'mean' : 'class-token',
    layerNormEpsilon: declared.layer_norm_eps,
  });
}

function squareSide(size: number | readonly [number, number], member: string, file: string): number {
  if (typeof size === 'number') return size;
  if (size[0] === size[1]) return size[0];
  throw new DiffrateError(
    `${file}: "${member}" is ${size[0]}×${size[1]}, but only squares are supported: use a model with square patches.`,
  );
}
