/**
 * A small Vision Transformer with random weights, and the files in which the world would keep it.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { encodeSafetensors } from '../src/checkpoints/safetensors.ts';
import { float32Tensor, float32Values } from '../src/checkpoints/weights.ts';
import type { Weights } from '../src/checkpoints/weights.ts';
import type { LoadedModel } from '../src/loading/model-from-files.ts';
import type { VisionTransformerConfiguration } from '../src/networks/vision-transformer/configuration.ts';
import type { Schedule } from '../src/reduction/schedule.ts';
import { smallModel, smallNetwork, smallPreprocessing, smallSizes, smallWeights } from './small-networks.ts';

/** 32×32 pixels, 16 patches, 4 blocks, 10 classes. */
export const smallConfiguration: VisionTransformerConfiguration = smallSizes;

/** Prunes and merges in blocks 1 to 3. */
export const smallSchedule: Schedule = {
  model: 'small-vit',
  inputSize: 32,
  pruneKept: [17, 15, 12, 8],
  mergeKept: [17, 14, 10, 5],
  gflops: null,
  target: 0.001,
  createdBy: 'a test',
};

/** Names of ten classes. */
export const smallLabels = ['ant', 'bee', 'cat', 'dog', 'elk', 'fox', 'gnu', 'hen', 'ibex', 'jay'];

/** Uniform numbers in −1…1 (a linear congruential generator): the same for the same seed. */
export function randomValues(count: number, seed: number): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** Weights with timm's names. */
export function randomWeights(configuration: VisionTransformerConfiguration = smallConfiguration, seed = 1): Weights {
  return smallWeights(smallNetwork(configuration), seed);
}

/** The small network as it would come from a file. */
export function randomModel(configuration = smallConfiguration, labels: readonly string[] = smallLabels): LoadedModel {
  return {
    ...smallModel(configuration, 1, 'small-vit'),
    labels: configuration.classes === labels.length ? Object.fromEntries(labels.entries()) : undefined,
    parameterCount: 0,
    source: 'random weights',
    warnings: [],
  };
}

/**
 * Writes a folder of Hugging Face's layout: its names, query, key and value apart, square
 * preprocessing unless told.
 */
export async function writeHuggingFaceFolder(
  folder: string,
  changes: { readonly config?: object; readonly preprocessor?: object | null; readonly weights?: Weights } = {},
): Promise<void> {
  const { config, preprocessor = {}, weights = randomWeights() } = changes;
  const { inputSize, patchSize, width, depth, heads, hiddenWidth } = smallConfiguration;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'model.safetensors'), encodeSafetensors(huggingFaceWeights(weights)));
  const json = {
    architectures: ['ViTForImageClassification'],
    model_type: 'vit',
    image_size: inputSize.height,
    patch_size: patchSize,
    hidden_size: width,
    num_hidden_layers: depth,
    num_attention_heads: heads,
    intermediate_size: hiddenWidth,
    hidden_act: 'gelu',
    layer_norm_eps: 1e-6,
    id2label: Object.fromEntries(smallLabels.entries()),
    ...config,
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(json));
  if (preprocessor === null) return;
  const processor = {
    image_processor_type: 'ViTImageProcessor',
    size: inputSize,
    resample: 2,
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
    ...preprocessor,
  };
  await writeFile(join(folder, 'preprocessor_config.json'), JSON.stringify(processor));
}

/** The weights under the names of `ViTForImageClassification`. */
export function huggingFaceWeights(weights: Weights): Weights {
  const renamed = new Map<string, ReturnType<typeof float32Tensor>>();
  for (const tensor of weights.values()) {
    const [, block = '', stem = '', part = ''] =
      /^(?:blocks\.(\d+)\.)?(.*?)(?:\.(weight|bias))?$/.exec(tensor.name) ?? [];
    const values = float32Values(tensor);
    const put = (name: string, shape: readonly number[], own: Float32Array): void => {
      const full = part === '' ? name : `${name}.${part}`;
      renamed.set(full, float32Tensor(full, shape, own));
    };
    if (stem === 'attn.qkv') {
      const third = values.length / 3;
      for (const [index, name] of ['query', 'key', 'value'].entries()) {
        const shape = [(tensor.shape[0] ?? 0) / 3, ...tensor.shape.slice(1)];
        const own = values.slice(index * third, (index + 1) * third);
        put(`vit.encoder.layer.${block}.attention.attention.${name}`, shape, own);
      }
    } else {
      const name = huggingFaceNames[stem] ?? stem;
      put(block === '' ? name : `vit.encoder.layer.${block}.${name}`, tensor.shape, values);
    }
  }
  return renamed;
}

const huggingFaceNames: Readonly<Record<string, string>> = {
  cls_token: 'vit.embeddings.cls_token',
  pos_embed: 'vit.embeddings.position_embeddings',
  'patch_embed.proj': 'vit.embeddings.patch_embeddings.projection',
  norm: 'vit.layernorm',
  head: 'classifier',
  norm1: 'layernorm_before',
  norm2: 'layernorm_after',
  'attn.proj': 'attention.output.dense',
  'mlp.fc1': 'intermediate.dense',
  'mlp.fc2': 'output.dense',
};

/** Writes a folder as timm pushes it to the hub. */
export async function writeTimmFolder(
  folder: string,
  config: object = {},
  weights: Weights = randomWeights(),
): Promise<void> {
  const { inputSize, heads } = smallConfiguration;
  const { mean, std } = smallPreprocessing(smallNetwork());
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'model.safetensors'), encodeSafetensors(weights));
  const json = {
    architecture: 'vit_small_patch8_32',
    num_classes: 10,
    global_pool: 'token',
    model_args: { num_heads: heads },
    pretrained_cfg: {
      input_size: [3, inputSize.height, inputSize.width],
      mean,
      std,
      interpolation: 'bicubic',
      crop_pct: 0.875,
    },
    label_names: smallLabels,
    ...config,
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(json));
}

/** Writes an oblong PNG of smooth random colours. */
export async function writeRandomImage(path: string, width: number, height: number, seed = 1): Promise<void> {
  const coarse = Buffer.from(randomValues(6 * 6 * 3, seed).map((value) => (value + 1) * 127.5));
  const image = sharp(Uint8Array.from(coarse), { raw: { width: 6, height: 6, channels: 3 } });
  await image.resize(width, height, { fit: 'fill' }).png().toFile(path);
}
