/**
 * `config.json` of Hugging Face transformers for the ViT family (`ViTConfig`, `DeiTConfig`, `ViTMAEConfig`) as a configuration.
 */
import * as v from 'valibot';
import { DiffrateError } from '../errors.ts';
import type { JsonObject } from '../checkpoints/model-folder.ts';
import type { Preprocessing, VisionTransformerConfiguration } from '../models/configuration.ts';
import { checkConfiguration, positiveInteger } from './configuration-check.ts';
import { labelsFromIdentifiers } from './labels.ts';
import type { Labels } from './labels.ts';

/** A side in pixels, for which transformers also takes `[height, width]`. */
const side = v.union([positiveInteger, v.strictTuple([positiveInteger, positiveInteger])]);

const schema = v.object({
  model_type: v.picklist(['vit', 'deit', 'vit_mae']),
  image_size: side,
  patch_size: side,
  hidden_size: positiveInteger,
  num_hidden_layers: positiveInteger,
  num_attention_heads: positiveInteger,
  intermediate_size: positiveInteger,
  layer_norm_eps: v.pipe(v.number(), v.minValue(0, 'at least 0')),
  hidden_act: v.optional(v.literal('gelu'), 'gelu'),
  num_channels: v.optional(v.literal(3), 3),
  id2label: v.optional(v.record(v.string(), v.string())),
});

/** What a configuration file says about a network, its classes not yet compared with the checkpoint's. */
export interface DeclaredNetwork {
  readonly configuration: VisionTransformerConfiguration;
  readonly labels: Labels | undefined;
}

/**
 * The network that a Hugging Face `config.json` declares.
 * @param preprocessingFor gives the preprocessing for an input of so many pixels.
 * @param file path of the file, for error sentences.
 * @throws {DiffrateError} where a member is missing or the architecture is not supported.
 */
export function huggingFaceNetwork(
  json: JsonObject,
  preprocessingFor: (inputSize: number) => Preprocessing,
  file: string,
): DeclaredNetwork {
  const declared = checkConfiguration(schema, json, file);
  const { hidden_size: width, num_attention_heads: heads } = declared;
  if (width % heads !== 0) {
    throw new DiffrateError(
      `${file}: "hidden_size" ${width} is not divisible by "num_attention_heads" ${heads}: correct one of them.`,
    );
  }
  const inputSize = squareSide(declared.image_size, 'image_size', file);
  const configuration: VisionTransformerConfiguration = {
    family: 'vision-transformer',
    inputSize,
    patchSize: squareSide(declared.patch_size, 'patch_size', file),
    width,
    depth: declared.num_hidden_layers,
    heads,
    hiddenWidth: declared.intermediate_size,
    classes: 0,
    pool: declared.model_type === 'vit_mae' ? 'mean' : 'class-token',
    layerNormEpsilon: declared.layer_norm_eps,
    preprocessing: preprocessingFor(inputSize),
  };
  return { configuration, labels: labelsFromIdentifiers(declared.id2label) };
}

function squareSide(size: number | readonly [number, number], member: string, file: string): number {
  if (typeof size === 'number') return size;
  if (size[0] === size[1]) return size[0];
  throw new DiffrateError(
    `${file}: "${member}" is ${size[0]}×${size[1]}, but only squares are supported: use a model with square input.`,
  );
}
