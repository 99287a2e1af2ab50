/**
 * Every parameter that a plain Vision Transformer reads, by timm's names (`vision_transformer.py`), so that a checkpoint can be
 * checked whole when it is loaded and not tensor by tensor when a graph is built.
 */
import { DiffrateError } from '../errors.ts';
import { elementCount } from '../graph/tensor.ts';
import type { Weights } from '../checkpoints/weights.ts';
import { tokenCount } from '../models/configuration.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import type { Parameters } from '../nn/parameters.ts';
import { learnedPrefix } from '../reduction/methods/learned.ts';

/** Biases that some ViTs were trained without; the network then has none. */
const optionalBias = /\.(?:qkv|proj|fc1|fc2)\.bias$|^head\.bias$/;

/** Normalisations that a pooling does not read, and what training leaves in a checkpoint. */
const ignorable = /^(?:norm|fc_norm)\.(?:weight|bias)$|num_batches_tracked$|relative_position_index$/;

/** A parameter that changes what a network computes: more inside a block, a norm before them, register tokens, a hidden head. */
const structural = /(?:^|\.)(?:blocks|layers?)\.\d+\.|^norm_pre\.|^reg_token$|register_tokens$|^pre_logits\./;

/** Names and shapes of a network's parameters; biases that may be absent are among them. */
export function networkParameters(configuration: VisionTransformerConfiguration): Map<string, readonly number[]> {
  const { width, hiddenWidth, patchSize, depth, classes, pool } = configuration;
  const shapes = new Map<string, readonly number[]>([
    ['cls_token', [1, 1, width]],
    ['pos_embed', [1, tokenCount(configuration), width]],
    ['patch_embed.proj.weight', [width, 3, patchSize, patchSize]],
    ['patch_embed.proj.bias', [width]],
  ]);
  const addLinear = (name: string, inputs: number, outputs: number): void => {
    shapes.set(`${name}.weight`, [outputs, inputs]).set(`${name}.bias`, [outputs]);
  };
  const addNorm = (name: string): void => {
    shapes.set(`${name}.weight`, [width]).set(`${name}.bias`, [width]);
  };
  for (let block = 0; block < depth; block++) {
    addNorm(`blocks.${block}.norm1`);
    addLinear(`blocks.${block}.attn.qkv`, width, 3 * width);
    addLinear(`blocks.${block}.attn.proj`, width, width);
    addNorm(`blocks.${block}.norm2`);
    addLinear(`blocks.${block}.mlp.fc1`, width, hiddenWidth);
    addLinear(`blocks.${block}.mlp.fc2`, hiddenWidth, width);
  }
  addNorm(pool === 'mean' ? 'fc_norm' : 'norm');
  if (classes > 0) addLinear('head', width, classes);
  return shapes;
}

/** What a check of a checkpoint's parameters found. */
export interface CheckedParameters {
  /** Number of values that the network reads. */
  readonly count: number;
  readonly warnings: readonly string[];
}

/**
 * Reads every parameter once, so that a missing or misshapen one is found here. Those of methods are theirs to check.
 * @param source the checkpoint, for error sentences.
 * @throws {DiffrateError} where a parameter is missing or has another shape, or the checkpoint holds parameters of an
 * architecture that is not a plain ViT.
 */
export function checkParameters(
  parameters: Parameters,
  weights: Weights,
  configuration: VisionTransformerConfiguration,
  source: string,
): CheckedParameters {
  const shapes = networkParameters(configuration);
  const unknown = [...weights.keys()].filter(
    (name) => !shapes.has(name) && !ignorable.test(name) && !name.startsWith(learnedPrefix),
  );
  const foreign = unknown.find((name) => structural.test(name));
  if (foreign !== undefined) {
    throw new DiffrateError(
      `${source} holds the tensor "${foreign}", which a plain ViT of ${configuration.depth} blocks has not: use a checkpoint of a ViT, DeiT or MAE without additions.`,
    );
  }
  let count = 0;
  for (const [name, shape] of shapes) {
    if (optionalBias.test(name) && !parameters.has(name)) continue;
    parameters.tensor(name, shape);
    count += elementCount(shape);
  }
  if (unknown.length === 0) return { count, warnings: [] };
  const some = unknown
    .slice(0, 3)
    .map((name) => `"${name}"`)
    .join(', ');
  const more = unknown.length > 3 ? ` and ${unknown.length - 3} more` : '';
  return {
    count,
    warnings: [`${source} holds tensors that the network does not read and that were left out: ${some}${more}.`],
  };
}
