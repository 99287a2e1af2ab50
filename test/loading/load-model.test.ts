/** Models by registry name with a file, by hub id, and from folders of both layouts. */
import { existsSync } from 'node:fs';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeSafetensors } from '../../src/checkpoints/safetensors.ts';
import { float32Tensor } from '../../src/checkpoints/weights.ts';
import type { Weights } from '../../src/checkpoints/weights.ts';
import { DiffrateError, UsageError } from '../../src/errors.ts';
import { constantFloats } from '../../src/graph/tensor.ts';
import { loadModel } from '../../src/loading/load-model.ts';
import type { LoadModelOptions } from '../../src/loading/load-model.ts';
import type { LoadedModel } from '../../src/loading/model-from-files.ts';
import type { Network } from '../../src/networks/network.ts';
import { networkParameters } from '../../src/networks/recorded-parameters.ts';
import { findModel } from '../../src/networks/registry.ts';
import { checkpointSizes, declaredVisionTransformer } from '../../src/networks/vision-transformer/checkpoint.ts';
import { usualVisionTransformer } from '../../src/networks/vision-transformer/configuration.ts';
import type { VisionTransformerConfiguration } from '../../src/networks/vision-transformer/configuration.ts';
import { visionTransformer } from '../../src/networks/vision-transformer/vision-transformer.ts';
import { fakeHub } from '../checkpoints/fake-hub.ts';
import { networkContent } from '../networks/network-content.ts';
import {
  huggingFaceWeights,
  randomWeights,
  smallConfiguration,
  smallLabels,
  writeHuggingFaceFolder,
  writeTimmFolder,
} from '../random-network.ts';
import { smallNetwork, smallPreprocessing } from '../small-networks.ts';
import { square } from '../../src/data/preprocessing.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffrate-loading-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Any request fails the test that makes it. */
const noNetwork: LoadModelOptions = {
  hubOptions: { fetch: () => Promise.reject(new Error('the network was touched')), cacheFolder: '/nowhere' },
};

const labels = Object.fromEntries(smallLabels.entries());

function values(model: LoadedModel): Record<string, number[]> {
  return Object.fromEntries(
    networkParameters(model.network).map(({ name, shape }) => [
      name,
      [...(constantFloats(model.parameters.tensor(name, shape)) ?? [])],
    ]),
  );
}

/** DeiT-T of ImageNet, as `vision_transformer.py` has it. */
const deitTiny: VisionTransformerConfiguration = {
  ...usualVisionTransformer,
  inputSize: square(224),
  patchSize: 16,
  width: 192,
  depth: 12,
  heads: 3,
  hiddenWidth: 768,
  classes: 1000,
  pool: 'class-token',
};

/** Zeros for a whole DeiT-T, with changed sizes. */
function zeros(changes: Partial<VisionTransformerConfiguration>): Weights {
  return new Map(
    networkParameters(visionTransformer({ ...deitTiny, ...changes })).map(({ name, shape }) => [
      name,
      float32Tensor(name, shape, new Float32Array(shape.reduce((product, size) => product * size, 1))),
    ]),
  );
}

async function file(weights: Weights, name = 'weights.safetensors'): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, encodeSafetensors(weights));
  return path;
}

async function failure(model: string, options: LoadModelOptions = noNetwork): Promise<string> {
  const error: unknown = await loadModel(model, options).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(DiffrateError);
  const { message } = error as DiffrateError;
  expect(message).not.toContain('\n');
  return message;
}

describe('model folders', () => {
  it('of Hugging Face and of timm give the same network', async () => {
    await writeHuggingFaceFolder(join(folder, 'hf'));
    await writeTimmFolder(join(folder, 'timm'));
    const huggingFace = await loadModel(join(folder, 'hf'), noNetwork);
    const timm = await loadModel(join(folder, 'timm'), noNetwork);
    expect(networkContent(timm.network)).toEqual(networkContent(smallNetwork()));
    expect(networkContent(huggingFace.network)).toEqual(networkContent(smallNetwork()));
    expect(timm.preprocessing).toEqual(smallPreprocessing(smallNetwork()));
    expect(huggingFace.preprocessing).toEqual({
      resize: square(32),
      resizeMode: 'stretch',
      crop: square(32),
      interpolation: 'bilinear',
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    });
    expect(values(huggingFace)).toEqual(values(timm));
    for (const [name, model] of [
      ['hf', huggingFace],
      ['timm', timm],
    ] as const) {
      expect(model.labels).toEqual(labels);
      expect(model.warnings).toEqual([]);
      expect(model.name).toBe(name);
      expect(model.source).toBe(join(folder, name));
    }
    const count = [...randomWeights().values()].reduce((sum, { bytes }) => sum + bytes.length / 4, 0);
    expect(timm.parameterCount).toBe(count);
  });

  it('without preprocessing or with unfit labels load with a warning', async () => {
    await writeHuggingFaceFolder(folder, { preprocessor: null, config: { id2label: { 0: 'one' } } });
    const model = await loadModel(folder);
    expect(model.warnings).toHaveLength(2);
    expect(model.warnings[0]).toMatch(/no preprocessor_config\.json: images are resized to 32×32/);
    expect(model.warnings[1]).toMatch(/names 1 class where the network has 10/);
    expect(model.labels).toBeUndefined();
    expect(model.preprocessing.resizeMode).toBe('stretch');
  });

  it('of an encoder without a head yield features; MAE encoders are pooled by the mean with their norm', async () => {
    const encoder = randomWeights({ ...smallConfiguration, classes: 0 });
    await writeHuggingFaceFolder(join(folder, 'vit'), { weights: encoder });
    const vit = await loadModel(join(folder, 'vit'));
    expect(vit.network).toMatchObject({ answers: { kind: 'features', size: 64 }, reads: 'prefix' });
    expect(vit.warnings.join()).toMatch(/no classifier: the network yields features/);
    const silent = { architectures: ['ViTModel'], id2label: undefined };
    await writeHuggingFaceFolder(join(folder, 'silent'), { weights: encoder, config: silent });
    expect((await loadModel(join(folder, 'silent'))).warnings).toEqual([]);
    expect(vit.labels).toBeUndefined();
    await writeHuggingFaceFolder(join(folder, 'mae'), { weights: encoder, config: { model_type: 'vit_mae' } });
    const mae = await loadModel(join(folder, 'mae'));
    expect(mae.network).toMatchObject({ answers: { kind: 'features', size: 64 }, reads: 'every-token' });
    expect(values(mae)['fc_norm.weight']).toEqual(values(vit)['norm.weight']);
  });

  it('report tensors that nobody reads, and no more than that', async () => {
    const extra = new Map(randomWeights()).set('extra.thing', float32Tensor('extra.thing', [1], Float32Array.of(1)));
    await writeTimmFolder(folder, {}, extra);
    expect((await loadModel(folder)).warnings).toEqual([expect.stringMatching(/left out: "extra\.thing"\.$/)]);
  });

  const broken: [string, object, RegExp][] = [
    ['a missing size', { hidden_size: undefined }, /config\.json has no "hidden_size"/],
    ['missing heads', { num_attention_heads: undefined }, /config\.json has no "num_attention_heads"/],
    [
      'a wrong kind',
      { model_type: 'swin' },
      /"model_type" is "swin", which is not supported: use a ViT, DeiT or MAE model/,
    ],
    ['no kind', { model_type: undefined }, /neither "model_type" .* nor "architecture"/],
    ['another activation', { hidden_act: 'mish' }, /"hidden_act" is "mish", but only "gelu", .*: use another model/],
    [
      'oblong input and square images',
      { image_size: [32, 64] },
      /makes images of 32×32 pixels where config\.json has "image_size" 32×64/,
    ],
    ['oblong patches', { patch_size: [8, 16] }, /"patch_size" is 8×16, but only squares/],
    ['heads that do not divide', { num_attention_heads: 7 }, /64 is not divisible by "num_attention_heads" 7/],
    ['another width', { hidden_size: 128 }, /width is 64 where .*config\.json has 128/],
    ['another depth', { num_hidden_layers: 5 }, /number of blocks is 4 where .*config\.json has 5/],
    ['a size in words', { hidden_size: 'wide' }, /"hidden_size" is "wide" where number/],
  ];
  it.each(broken)('with %s say what is wrong', async (_, config, message) => {
    await writeHuggingFaceFolder(folder, { config });
    expect(await failure(folder)).toMatch(message);
  });

  it('of oblong networks give rows and columns in the order of the files', async () => {
    const oblong = { inputSize: { height: 24, width: 40 }, heads: 4 };
    const weights = randomWeights({ ...smallConfiguration, ...oblong });
    const config = { image_size: [24, 40] };
    await writeHuggingFaceFolder(folder, { weights, config, preprocessor: { size: oblong.inputSize } });
    const model = await loadModel(folder, noNetwork);
    expect(networkContent(model.network)).toEqual(networkContent(smallNetwork(oblong)));
    expect(model.network.layout).toEqual({ prefix: 1, grid: [3, 5] });
    expect(model.preprocessing.crop).toEqual(oblong.inputSize);
    expect(model.network.hubConfiguration(() => true)).toMatchObject({ image_size: [24, 40] });
  });

  it('whose pictures would have another size than the network say so', async () => {
    await writeHuggingFaceFolder(join(folder, 'pixels'), { config: { image_size: 64 }, preprocessor: { size: 64 } });
    expect(await failure(join(folder, 'pixels'))).toMatch(
      /17 positions, for an input of 32×32 pixels, where .* has 65, for 64×64/,
    );
    await writeHuggingFaceFolder(join(folder, 'size'), { preprocessor: { size: 64 } });
    expect(await failure(join(folder, 'size'))).toMatch(
      /makes images of 64×64 pixels where config\.json has "image_size" 32/,
    );
  });

  it('with missing, misshapen or foreign tensors name the tensor', async () => {
    const changed = async (
      change: (weights: Map<string, ReturnType<typeof float32Tensor>>) => void,
    ): Promise<string> => {
      const weights = new Map(randomWeights());
      change(weights);
      await writeTimmFolder(folder, {}, weights);
      return failure(folder);
    };
    const put = (name: string, shape: number[]) => (weights: Map<string, ReturnType<typeof float32Tensor>>) =>
      weights.set(
        name,
        float32Tensor(name, shape, new Float32Array(shape.reduce((product, size) => product * size, 1))),
      );
    expect(await changed((weights) => weights.delete('blocks.2.mlp.fc2.weight'))).toMatch(
      /model\.safetensors has no tensor "blocks\.2\.mlp\.fc2\.weight" \(\[64, 128\]\)/,
    );
    expect(await changed((weights) => weights.delete('patch_embed.proj.weight'))).toMatch(/no tensor "patch_embed/);
    expect(await changed(put('blocks.1.norm1.weight', [65]))).toMatch(
      /"blocks\.1\.norm1\.weight" is \[65\] where .* \[64\]/,
    );
    expect(await changed(put('pos_embed', [17, 64]))).toMatch(/"pos_embed" is \[17, 64\] where .* 3 dimensions/);
    expect(await changed(put('dist_token', [1, 1, 64]))).toMatch(/distilled DeiT .* not supported yet/);
    expect(await changed(put('blocks.0.ls1.gamma', [64]))).toMatch(/holds the tensor "blocks\.0\.ls1\.gamma"/);
    expect(await changed(put('reg_token', [1, 4, 64]))).toMatch(/holds the tensor "reg_token"/);
  });

  it('of timm with an unknown architecture or none of its members', async () => {
    await writeTimmFolder(folder, { architecture: 'vit_giant_patch14', model_args: {} });
    expect(await failure(folder)).toMatch(/architecture "vit_giant_patch14" is not supported/);
    await writeTimmFolder(folder, { pretrained_cfg: undefined });
    expect(await failure(folder)).toMatch(/config\.json has no "pretrained_cfg"/);
  });

  it('that hold an exported model only', async () => {
    await mkdir(join(folder, 'onnx'));
    await writeFile(join(folder, 'onnx', 'model.onnx'), 'an ONNX model');
    await writeFile(join(folder, 'config.json'), JSON.stringify({ diffrate: { model: 'deit_tiny_patch16_224' } }));
    expect(await failure(folder)).toMatch(/an ONNX model without its checkpoint.*made from \(deit_tiny_patch16_224\)/);
    await writeFile(join(folder, 'config.json'), JSON.stringify({ model_type: 'vit', _name_or_path: 'some/vit' }));
    expect(await failure(folder)).toMatch(/an ONNX model without its checkpoint.*made from \(some\/vit\)/);
  });
});

describe('registry names', () => {
  it('take weights from a file, with the classes of a fine-tuned head, without touching the network', async () => {
    const weights = await file(zeros({ classes: 7 }));
    const model = await loadModel('facebook/deit-tiny-patch16-224', { ...noNetwork, weights });
    expect(model).toMatchObject({ name: 'deit_tiny_patch16_224', source: weights, warnings: [] });
    expect(networkContent(model.network)).toEqual(networkContent(visionTransformer({ ...deitTiny, classes: 7 })));
    expect(model.preprocessing).toEqual(findModel('deit_tiny_patch16_224').preprocessing);
  });

  it('refuse the weights of another network, naming both', async () => {
    const weights = await file(zeros({ inputSize: square(384) }));
    expect(await failure('deit_tiny_patch16_224', { ...noNetwork, weights })).toMatch(
      /577 positions, for an input of 384×384 pixels, where deit_tiny_patch16_224 has 197, for 224×224/,
    );
    expect(await failure('deit_small_patch16_224', { ...noNetwork, weights })).toMatch(
      /width is 192 where deit_small_patch16_224 has 384/,
    );
    const huggingFace = await file(huggingFaceWeights(randomWeights()), 'small.safetensors');
    expect(await failure('vit_tiny_patch16_224', { ...noNetwork, weights: huggingFace })).toMatch(/width is 64/);
    expect(await failure('vit_tiny_patch16_224', { weights: join(folder, 'absent.pth') })).toMatch(/absent\.pth/);
  });

  it('that cannot be had from the hub say where else', async () => {
    expect(await failure('mae_vit_base_patch16')).toMatch(
      /download https:.*mae_finetuned_vit_base\.pth and give the file as `weights`/,
    );
    expect(await failure('caformer_s36')).toMatch(/hierarchical network, whose weights cannot be loaded yet/);
    expect(await failure('vit_colossal')).toMatch(
      /"vit_colossal" is no model that diffrate knows.*deit_tiny_patch16_224/,
    );
    expect(await failure('./absent/folder')).toMatch(/There is no folder \.\/absent\/folder/);
  });

  it('and weights go together, folders and weights as well, files alone do not', async () => {
    await writeTimmFolder(folder);
    const weights = join(folder, 'model.safetensors');
    const model = await loadModel(folder, { weights });
    expect([model.name, model.source]).toEqual([basename(folder), weights]);
    await expect(loadModel(weights)).rejects.toThrow(UsageError);
    await expect(loadModel(weights)).rejects.toThrow(/is a file: name the model that it belongs to/);
    await expect(loadModel('nothing', { weights })).rejects.toThrow(/"nothing" is no model/);
  });
});

describe('heads and pooling', () => {
  const mean = { ...smallConfiguration, pool: 'mean' } as const;

  it('of the mean need fc_norm unless the checkpoint is an encoder', () => {
    const fitted = declaredVisionTransformer(mean).fit(randomWeights(mean), 'the file', 'the name');
    expect(networkContent(fitted.network)).toEqual(networkContent(smallNetwork(mean)));
    expect(fitted.warnings).toEqual([]);
    expect(() => declaredVisionTransformer(mean).fit(randomWeights(), 'the file', 'the name')).toThrow(
      /reads the class token where the name reads the mean/,
    );
    expect(() =>
      declaredVisionTransformer(smallConfiguration).fit(randomWeights(mean), 'the file', 'the name'),
    ).toThrow(/name a mae_vit model/);
  });

  it('are read from the tensors', () => {
    expect(checkpointSizes(randomWeights(), 'x')).toEqual({
      width: 64,
      depth: 4,
      hiddenWidth: 128,
      patchSize: 8,
      channels: 3,
      hasClassToken: true,
      tokens: 17,
      classes: 10,
      norms: ['norm'],
    });
  });
});

describe('hub ids', () => {
  async function hub(id: string) {
    await writeHuggingFaceFolder(join(folder, 'files'));
    const { readFile } = await import('node:fs/promises');
    const names = ['config.json', 'preprocessor_config.json', 'model.safetensors'];
    const files = Object.fromEntries(
      await Promise.all(
        names.map(async (name) => [name, new Uint8Array(await readFile(join(folder, 'files', name)))] as const),
      ),
    );
    const fake = fakeHub(id, files);
    return { fetch: fake.fetch, cacheFolder: join(folder, 'cache'), hubUrl: 'https://hub.test', offline: false };
  }

  it('are downloaded, then found in the cache', async () => {
    const hubOptions = await hub('someone/small-vit');
    const model = await loadModel('someone/small-vit', { hubOptions });
    expect(model).toMatchObject({ name: 'someone/small-vit', source: 'someone/small-vit', labels });
    const again = await loadModel('someone/small-vit', { hubOptions: { ...hubOptions, offline: true } });
    expect(values(again)).toEqual(values(model));
  });

  it('of a known network get its name and its authors’ preprocessing', async () => {
    const hubOptions = await hub('facebook/deit-small-patch16-224');
    const model = await loadModel('facebook/deit-small-patch16-224', { hubOptions });
    expect(model).toMatchObject({ name: 'deit_small_patch16_224', source: 'facebook/deit-small-patch16-224' });
    expect(model.preprocessing.resize.width).toBe(256);
  });

  it('that cannot be reached end in a sentence', async () => {
    expect(await failure('someone/absent', { hubOptions: { cacheFolder: folder, offline: true } })).toMatch(
      /not in the cache/,
    );
  });
});

describe('the real DeiT-T', () => {
  const weights = resolve(
    process.env['DIFFRATE_DATA'] ?? '../shared/data',
    'weights/deit_tiny_patch16_224.safetensors',
  );
  const isThere = existsSync(weights);
  if (!isThere) console.warn(`skipped: ${weights} is not there`);
  it.skipIf(!isThere)('loads with its 5.7 M parameters', async () => {
    const model = await loadModel('deit_tiny_patch16_224', { ...noNetwork, weights });
    expect(model.parameterCount).toBe(5_717_416);
    expect(model.warnings).toEqual([]);
    expect(networkContent(model.network)).toEqual(networkContent(visionTransformer(deitTiny)));
    const known = findModel('deit_tiny_patch16_224').declared?.network as Network;
    expect(networkContent(known)).toEqual(networkContent(model.network));
  });
});
