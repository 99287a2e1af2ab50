/**
 * A Vision Transformer small enough for tests, with random weights: as a network, and as a model
 * folder on disk.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors } from '../../src/checkpoints/safetensors-file.ts';
import type { Weights } from '../../src/checkpoints/weights.ts';
import type { Model } from '../../src/networks/model.ts';
import type { VisionTransformerConfiguration } from '../../src/networks/vision-transformer/configuration.ts';
import * as networks from '../small-networks.ts';

/** 17 tokens, 4 blocks, 7 classes. */
export const smallConfiguration: VisionTransformerConfiguration = networks.narrowSizes;

/** Random weights under timm's names. */
export function smallWeights(seed = 1): Weights {
  return networks.smallWeights(networks.smallNetwork(smallConfiguration), seed);
}

/** The network in memory. */
export function smallNetwork(seed = 1): Model {
  return networks.smallModel(smallConfiguration, seed);
}

/** Writes the network as a model folder with Hugging Face's configuration files. */
export async function writeSmallModelFolder(directory: string, seed = 1): Promise<void> {
  const { inputSize, patchSize, width, depth, heads, hiddenWidth, classes } = smallConfiguration;
  const { resize, mean, std } = smallNetwork(seed).preprocessing;
  mkdirSync(directory, { recursive: true });
  await writeSafetensors(join(directory, 'model.safetensors'), smallWeights(seed));
  const configuration = {
    model_type: 'vit',
    image_size: inputSize.height,
    patch_size: patchSize,
    hidden_size: width,
    num_hidden_layers: depth,
    num_attention_heads: heads,
    intermediate_size: hiddenWidth,
    layer_norm_eps: 1e-6,
    id2label: Object.fromEntries(Array.from({ length: classes }, (_, label) => [label, `class ${label}`])),
  };
  const processor = {
    image_processor_type: 'DeiTImageProcessor',
    size: { shortest_edge: resize.width },
    crop_size: inputSize,
    do_center_crop: true,
    resample: 3,
    image_mean: mean,
    image_std: std,
  };
  writeFileSync(join(directory, 'config.json'), JSON.stringify(configuration));
  writeFileSync(join(directory, 'preprocessor_config.json'), JSON.stringify(processor));
}
