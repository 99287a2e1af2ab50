/** A Vision Transformer in the words of `config.json` (Hugging Face transformers' `ViTConfig`). */
import type { VisionTransformerConfiguration } from './configuration.ts';

/**
 * Members that say what the network is. An encoder without a head is a `ViTModel`.
 * @param has whether the checkpoint has a parameter.
 */
export function hubConfiguration(
  configuration: VisionTransformerConfiguration,
  has: (name: string) => boolean,
): Record<string, unknown> {
  const { inputSize, classes } = configuration;
  const isSquare = inputSize.height === inputSize.width;
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
    ...(configuration.problem === 'labels' ? { problem_type: 'multi_label_classification' } : {}),
  };
}
