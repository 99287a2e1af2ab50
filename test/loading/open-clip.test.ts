/** Folders of OpenCLIP, whose vision tower is a ViT of timm. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { encodeSafetensors } from '../../src/checkpoints/safetensors.ts';
import { float32Tensor } from '../../src/checkpoints/weights.ts';
import type { WeightTensor } from '../../src/checkpoints/weights.ts';
import { square } from '../../src/data/preprocessing.ts';
import { loadModel } from '../../src/loading/load-model.ts';
import type { LoadedModel } from '../../src/loading/model-from-files.ts';
import { networkContent } from '../networks/network-content.ts';
import { smallNetwork, smallWeights } from '../small-networks.ts';

/** As wide as timm's ViT-Ti, whose number of heads its name says. */
const tiny = { width: 192, heads: 3, hiddenWidth: 32, depth: 2, classes: 3, inputSize: square(16) } as const;

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffrate-open-clip-'));
});
afterEach(() => rm(folder, { recursive: true }));

const vision = { timm_model_name: 'vit_tiny_patch8_16', timm_pool: 'token', timm_proj: '', image_size: 16 };

async function load(own: object = {}, others: readonly string[] = [], preprocess?: object): Promise<LoadedModel> {
  const tensors = [...smallWeights(smallNetwork(tiny)).values()].map((tensor): WeightTensor => ({
    ...tensor,
    name: `visual.trunk.${tensor.name}`,
  }));
  const beside = others.map((name) => float32Tensor(name, [2, 2], new Float32Array(4)));
  const named = new Map([...tensors, ...beside].map((tensor) => [tensor.name, tensor]));
  await writeFile(join(folder, 'open_clip_model.safetensors'), encodeSafetensors(named));
  const json = {
    model_cfg: { embed_dim: 3, vision_cfg: { ...vision, ...own }, text_cfg: { layers: 2 } },
    ...(preprocess === undefined ? {} : { preprocess_cfg: preprocess }),
  };
  await writeFile(join(folder, 'open_clip_config.json'), JSON.stringify(json));
  return loadModel(folder);
}

it('is read as its vision tower, and what is assumed is said', async () => {
  const model = await load({}, ['logit_scale_of_text'], {
    size: 16,
    mode: 'RGB',
    mean: [0.5, 0.5, 0.5],
    std: [0.25, 0.25, 0.25],
    interpolation: 'bicubic',
    resize_mode: 'squash',
    fill_color: 0,
  });
  expect(networkContent(model.network)).toEqual(networkContent(smallNetwork({ ...tiny, lastNorm: 'norm' })));
  expect(model.preprocessing).toMatchObject({ crop: square(16), resizeMode: 'stretch', std: [0.25, 0.25, 0.25] });
  expect(model.warnings.join()).toMatch(/the vision tower alone .* "vit_tiny_patch8_16" that reads the class token/);
});

it('reads the mean of normalised patches where the tower pools so, with images as CLIP has them', async () => {
  const model = await load({ timm_pool: 'avg' });
  const wanted = { ...tiny, pool: 'mean', lastNorm: 'norm' } as const;
  expect(networkContent(model.network)).toEqual(networkContent(smallNetwork(wanted)));
  expect(model.preprocessing).toMatchObject({ resize: square(16), mean: [0.48145466, 0.4578275, 0.40821073] });
});

it('is refused where a projection, another tower or nobody says what the answers are', async () => {
  await expect(load({}, ['visual.head.proj.weight'])).rejects.toThrow(
    /has a projection .* "visual\.head\.proj\.weight"/,
  );
  await expect(load({ timm_model_name: 'vit' })).rejects.toThrow(/"vit" is not supported \(nothing says how many/);
  await expect(load({ timm_model_name: null })).rejects.toThrow(/no "model_cfg\.vision_cfg\.timm_model_name"/);
  await expect(load({ timm_pool: 'map' })).rejects.toThrow(/"model_cfg\.vision_cfg\.timm_pool" is "map"/);
  await expect(load({ ls_init_value: 1 })).rejects.toThrow(/"model_cfg\.vision_cfg\.ls_init_value" is not known/);
  await expect(load({}, [], { resize_mode: 'longest' })).rejects.toThrow(/"preprocess_cfg\.resize_mode" is "longest"/);
});
