/** A Vision Transformer in the words of `config.json` (Hugging Face transformers' `ViTConfig`). */
import type { JsonObject } from '../../checkpoints/json-object.ts';
import { lastNormOf } from './configuration.ts';
import type { VisionTransformerConfiguration } from './configuration.ts';

/**
 * Member of `config.json` for what `ViTConfig` has no words for: timm's, as in the `model_args` of
 * its own files. transformers ignores it.
 */
export const timmMember = 'timm_model_args';

/**
 * Members that say what the network is; `fromHuggingFace` reads each of them back. An encoder
 * without a head is a `ViTModel`.
 * @param has whether the checkpoint has a parameter.
 */
export function hubConfiguration(
  configuration: VisionTransformerConfiguration,
  has: (name: string) => boolean,
): Record<string, unknown> {
  const { inputSize, classes, pool, prefixTokens } = configuration;
  const isSquare = inputSize.height === inputSize.width;
  const problem = problemType(configuration);
  const isUsual = pool === 'class-token' && prefixTokens.length > 0 && lastNormOf(configuration) === 'norm';
  return {
    model_type: 'vit',
    architectures: [classes > 0 ? 'ViTForImageClassification' : 'ViTModel'],
    image_size: isSquare ? inputSize.height : [inputSize.height, inputSize.width],
    patch_size: configuration.patchSize,
    num_channels: configuration.channels,
    hidden_size: configuration.width,
    num_hidden_layers: configuration.depth,
    num_attention_heads: configuration.heads,
    intermediate_size: configuration.hiddenWidth,
    hidden_act: configuration.activation,
    layer_norm_eps: configuration.layerNormEpsilon,
    qkv_bias: has('blocks.0.attn.qkv.bias'),
    ...(problem === undefined ? {} : { problem_type: problem }),
    ...(isUsual ? {} : { [timmMember]: timmArguments(configuration) }),
  };
}

/** `undefined` where transformers finds out by itself: one class of many, features. */
function problemType({ classes, problem }: VisionTransformerConfiguration): string | undefined {
  if (classes === 0) return undefined;
  if (problem === 'labels') return 'multi_label_classification';
  return problem === 'values' || classes === 1 ? 'regression' : undefined;
}

function timmArguments(configuration: VisionTransformerConfiguration): JsonObject {
  return {
    class_token: configuration.prefixTokens.length > 0,
    global_pool: configuration.pool === 'mean' ? 'avg' : 'token',
    fc_norm: lastNormOf(configuration) === 'fc_norm',
  };
}
