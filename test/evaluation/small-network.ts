/** A Vision Transformer small enough for tests, with random weights: as a network, and as a model folder on disk. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors } from '../../src/checkpoints/safetensors-file.ts';
import type { Weights, WeightTensor } from '../../src/checkpoints/weights.ts';
import { RandomGenerator } from '../../src/data/random.ts';
import type { Network } from '../../src/loading/network-session.ts';
import type { VisionTransformerConfiguration } from '../../src/models/configuration.ts';
import { parametersFromWeights } from '../../src/models/parameters.ts';

/** 17 tokens, 4 blocks, 7 classes. */
export const smallConfiguration: VisionTransformerConfiguration = {
  family: 'vision-transformer',
  inputSize: 32,
  patchSize: 8,
  width: 24,
  depth: 4,
  heads: 3,
  hiddenWidth: 96,
  classes: 7,
  pool: 'class-token',
  layerNormEpsilon: 1e-6,
  preprocessing: {
    resizeShortSide: 36,
    cropSize: 32,
    interpolation: 'bicubic',
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  },
};

/** Random weights under timm's names, large enough that images differ in their logits. */
export function smallWeights(seed = 1): Weights {
  const { width, patchSize, depth, hiddenWidth, classes, inputSize } = smallConfiguration;
  const random = new RandomGenerator(seed);
  const weights = new Map<string, WeightTensor>();
  const add = (name: string, shape: number[], scale: number, mean = 0): void => {
    const values = Float32Array.from(
      { length: shape.reduce((a, b) => a * b, 1) },
      () => mean + scale * random.normal(),
    );
    weights.set(name, { name, type: 'float32', shape, bytes: new Uint8Array(values.buffer) });
  };
  const layer = (name: string, to: number, from: number): void => {
    add(`${name}.weight`, [to, from], 1.5 / Math.sqrt(from));
    add(`${name}.bias`, [to], 0.1);
  };
  const norm = (name: string): void => {
    add(`${name}.weight`, [width], 0.1, 1);
    add(`${name}.bias`, [width], 0.1);
  };
  add('cls_token', [1, 1, width], 0.5);
  add('pos_embed', [1, (inputSize / patchSize) ** 2 + 1, width], 0.5);
  add('patch_embed.proj.weight', [width, 3, patchSize, patchSize], 0.3);
  add('patch_embed.proj.bias', [width], 0.1);
  for (let block = 0; block < depth; block++) {
    norm(`blocks.${block}.norm1`);
    layer(`blocks.${block}.attn.qkv`, 3 * width, width);
    layer(`blocks.${block}.attn.proj`, width, width);
    norm(`blocks.${block}.norm2`);
    layer(`blocks.${block}.mlp.fc1`, hiddenWidth, width);
    layer(`blocks.${block}.mlp.fc2`, width, hiddenWidth);
  }
  norm('norm');
  layer('head', classes, width);
  return weights;
}

/** The network in memory. */
export function smallNetwork(seed = 1): Network {
  return {
    name: 'small',
    configuration: smallConfiguration,
    parameters: parametersFromWeights(smallWeights(seed), 'small'),
  };
}

/** Writes the network as a model folder with Hugging Face's configuration files. */
export async function writeSmallModelFolder(directory: string, seed = 1): Promise<void> {
  const { inputSize, patchSize, width, depth, heads, hiddenWidth, classes, preprocessing } = smallConfiguration;
  mkdirSync(directory, { recursive: true });
  await writeSafetensors(join(directory, 'model.safetensors'), smallWeights(seed));
  const configuration = {
    model_type: 'vit',
    image_size: inputSize,
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
    size: { shortest_edge: preprocessing.resizeShortSide },
    crop_size: { height: inputSize, width: inputSize },
    do_center_crop: true,
    resample: 3,
    image_mean: preprocessing.mean,
    image_std: preprocessing.std,
  };
  writeFileSync(join(directory, 'config.json'), JSON.stringify(configuration));
  writeFileSync(join(directory, 'preprocessor_config.json'), JSON.stringify(processor));
}
