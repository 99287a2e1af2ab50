/**
 * Folders with checkpoints of other libraries and of training scripts: each gives the network of
 * the same weights under timm's names, or one sentence that says what is wrong.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeSafetensors } from '../../src/checkpoints/safetensors.ts';
import { float32Tensor, float32Values, type Weights } from '../../src/checkpoints/weights.ts';
import { DiffrateError } from '../../src/errors.ts';
import { constantFloats } from '../../src/graph/tensor.ts';
import { checkParameters } from '../../src/loading/checked-parameters.ts';
import { loadModel } from '../../src/loading/load-model.ts';
import { modelFromFiles, type LoadedModel } from '../../src/loading/model-from-files.ts';
import { networkParameters } from '../../src/networks/recorded-parameters.ts';
import { smallNetwork, smallWeights, tinySizes } from '../small-networks.ts';
import { Call, Global, Tuple, type PickleValue } from '../checkpoints/pickle-writer.ts';
import { pytorchSequence } from '../checkpoints/pytorch-sequence-writer.ts';
import { pytorchFile, tensor } from '../checkpoints/pytorch-writer.ts';

const sizes = { ...tinySizes, depth: 2 };
const network = smallNetwork(sizes);
const weights = smallWeights(network);
const { width, depth, heads, hiddenWidth, patchSize, inputSize } = sizes;

const config = {
  model_type: 'vit',
  image_size: inputSize.height,
  patch_size: patchSize,
  hidden_size: width,
  num_hidden_layers: depth,
  num_attention_heads: heads,
  intermediate_size: hiddenWidth,
  layer_norm_eps: 1e-6,
  qkv_bias: true,
};

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffrate-others-'));
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const preprocessor = { image_processor_type: 'ViTImageProcessor', size: inputSize };
  await writeFile(join(folder, 'preprocessor_config.json'), JSON.stringify(preprocessor));
});
afterEach(() => rm(folder, { recursive: true }));

const put = (name: string, content: Uint8Array): Promise<void> => writeFile(join(folder, name), content);

async function load(own: Weights): Promise<LoadedModel> {
  await put('model.safetensors', encodeSafetensors(own));
  return loadModel(folder);
}

async function failure(model: string, options = {}): Promise<string> {
  const error: unknown = await loadModel(model, options).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(DiffrateError);
  const { message } = error as DiffrateError;
  expect(message).not.toContain('\n');
  return message;
}

function renamed(rules: readonly (readonly [RegExp, string])[], own: Weights = weights): Weights {
  return new Map(
    Array.from(own, ([name, one]) => {
      const other = rules.reduce((text, [from, to]) => text.replace(from, to), name);
      return [other, { ...one, name: other }];
    }),
  );
}

/** Every parameter of a model is that of `weights`. */
function expectSame({ network: loaded, parameters }: LoadedModel, own: Weights = weights): void {
  const read = networkParameters(loaded, parameters.has);
  expect(read.map(({ name }) => name).toSorted()).toEqual([...own.keys()].toSorted());
  for (const { name, shape } of read) {
    const expected = own.get(name);
    if (expected === undefined) throw new Error(`${name} is not expected`);
    expect(constantFloats(parameters.tensor(name, shape)), name).toEqual(float32Values(expected));
  }
}

describe('the names of', () => {
  const torchvision = (first: string, second: string): readonly (readonly [RegExp, string])[] => [
    [/^cls_token/, 'class_token'],
    [/^pos_embed/, 'encoder.pos_embedding'],
    [/^patch_embed\.proj/, 'conv_proj'],
    [/^norm\./, 'encoder.ln.'],
    [/^head\./, 'heads.head.'],
    [/^blocks\.(\d+)\./, 'encoder.layers.encoder_layer_$1.'],
    [/attn\.qkv\./, 'self_attention.in_proj_'],
    [/attn\.proj/, 'self_attention.out_proj'],
    [/norm([12])/, 'ln_$1'],
    [/mlp\.fc1/, first],
    [/mlp\.fc2/, second],
  ];
  const openMmlab: readonly (readonly [RegExp, string])[] = [
    [/^(?!head)/, 'backbone.'],
    [/^head\./, 'head.layers.head.'],
    [/patch_embed\.proj/, 'patch_embed.projection'],
    [/blocks\./, 'layers.'],
    [/\.norm([12])/, '.ln$1'],
    [/backbone\.norm\./, 'backbone.ln1.'],
    [/mlp\.fc1/, 'ffn.layers.0.0'],
    [/mlp\.fc2/, 'ffn.layers.1'],
  ];
  it.each([
    ['torchvision', torchvision('mlp.0', 'mlp.3')],
    ['torchvision, as it was before', torchvision('mlp.linear_1', 'mlp.linear_2')],
    ['torchvision, in Lightning', [...torchvision('mlp.0', 'mlp.3'), [/^/, 'model.'] as const]],
    ['OpenMMLab', openMmlab],
    ['timm, in a wrapper of torch.compile', [[/^/, '_orig_mod.module.'] as const]],
  ])('%s are known', async (_, rules) => {
    const model = await load(renamed(rules));
    expectSame(model);
    expect(model.warnings).toEqual([]);
  });

  it('BEiT’s way to train biases of query and value give a key of zeros', async () => {
    const own = new Map(weights);
    const expected = new Map(weights);
    for (let block = 0; block < depth; block++) {
      const name = `blocks.${block}.attn.qkv.bias`;
      const values = float32Values(weights.get(name)!).slice();
      own.delete(name);
      for (const [letter, begin] of [
        ['q', 0],
        ['v', 2 * width],
      ] as const) {
        const part = `blocks.${block}.attn.${letter}_bias`;
        own.set(part, float32Tensor(part, [width], values.slice(begin, begin + width)));
      }
      values.fill(0, width, 2 * width);
      expected.set(name, float32Tensor(name, [3 * width], values));
    }
    expectSame(await load(own), expected);
  });
});

describe('PyTorch files', () => {
  const storages = Object.fromEntries(Array.from(weights.values(), ({ name, bytes }) => [name, bytes]));
  const stateDict = new Map<PickleValue, PickleValue>(
    Array.from(weights.values(), ({ name, shape, bytes }) => [name, tensor(name, bytes.byteLength / 4, shape)]),
  );

  it('of Lightning, with objects of omegaconf beside the weights, load', async () => {
    const hyper = new Call(new Global('omegaconf.dictconfig', 'DictConfig'), new Tuple(), new Map([['lr', 0.1]]));
    const root = new Map<PickleValue, PickleValue>([
      ['state_dict', stateDict],
      ['hyper_parameters', new Map([['cfg', hyper]])],
    ]);
    await put('pytorch_model.bin', pytorchFile(root, storages));
    const model = await loadModel(folder);
    expectSame(model);
    expect(model.warnings).toEqual([]);
  });

  it('of before 1.6 load', async () => {
    const sized = Object.entries(storages).map(([key, bytes]) => [key, { elementSize: 4, bytes }]);
    await put('pytorch_model.bin', pytorchSequence(stateDict, Object.fromEntries(sized)));
    expectSame(await loadModel(folder));
  });

  it('with two sets of weights take one, and the other where it is named', async () => {
    const root = new Map<PickleValue, PickleValue>([
      ['state_dict', stateDict],
      ['state_dict_ema', new Map(stateDict)],
    ]);
    await put('pytorch_model.bin', pytorchFile(root, storages));
    const file = join(folder, 'pytorch_model.bin');
    const model = await loadModel(folder);
    expect(model.warnings).toEqual([expect.stringContaining(`give \`weights\` ${file}#state_dict_ema.`)]);
    const other = await loadModel(folder, { weights: `${file}#state_dict_ema` });
    expect(other.warnings).toEqual([]);
    expectSame(other);
    expect(await failure(folder, { weights: `${file}#average` })).toMatch(/has no weights under "average"/);
    const absent = join(folder, 'absent.bin');
    expect(await failure(folder, { weights: `${absent}#average` })).toMatch(/Cannot open .*absent\.bin /);
  });
});

describe('what a page has fetched', () => {
  it('may have a prefix, and several', () => {
    const two = new Map([...renamed([[/^/, 'a.']]), ...renamed([[/^/, 'b.']])]);
    const files = { configuration: config, preprocessor: { size: inputSize }, weights: encodeSafetensors(two) };
    const model = modelFromFiles(files);
    expectSame(model);
    expect(model.warnings).toEqual([expect.stringMatching(/"a" is taken; to take "b" give `weights` /)]);
    expect(modelFromFiles({ ...files, weightsKey: 'b' }).warnings).toEqual([]);
  });
});

describe('what is missing or wrong is said by name', () => {
  const without = (...names: string[]): Weights => new Map([...weights].filter(([name]) => !names.includes(name)));

  it('for several tensors with their number', async () => {
    await load(without('norm.bias', 'blocks.0.norm1.bias', 'blocks.1.norm1.bias', 'blocks.1.norm2.weight')).then(
      () => expect.unreachable(),
      (error: unknown) =>
        expect(String(error)).toMatch(
          /lacks 4 tensors: "blocks\.0\.norm1\.bias" \(\[6\]\), "blocks\.1\.norm1\.bias" .*, "blocks\.1\.norm2\.weight" .* and 1 more;/,
        ),
    );
  });

  it('for a bias that only some blocks lack', async () => {
    await expect(load(without('blocks.1.mlp.fc1.bias'))).rejects.toThrow(
      /has no tensor "blocks\.1\.mlp\.fc1\.bias" \(\[8\]\), though other blocks have theirs/,
    );
  });

  it('for biases of queries, keys and values, except where the configuration says that there are none', async () => {
    const none = without('blocks.0.attn.qkv.bias', 'blocks.1.attn.qkv.bias');
    const message = /lacks 2 tensors: .*no configuration says that "qkv_bias" is false/;
    await expect(load(none)).rejects.toThrow(message);
    await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, qkv_bias: undefined }));
    await expect(load(none)).rejects.toThrow(message);
    expect(() => checkParameters(network, none, 'x.pth')).toThrow(message);
    await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, qkv_bias: false }));
    expectSame(await load(none), none);
  });

  it.each(['attn.proj.bias', 'mlp.fc1.bias', 'mlp.fc2.bias', 'head.bias', 'patch_embed.proj.bias'])(
    'for %s where no block has it, whatever the configuration says of others',
    async (end) => {
      await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, qkv_bias: false }));
      const rest = [...weights].filter(([name]) => !name.endsWith(end) && !name.endsWith('.qkv.bias'));
      await expect(load(new Map(rest))).rejects.toThrow(
        /(?:lacks 2 tensors:|has no tensor) "[^"]*bias" .*whole checkpoint/,
      );
    },
  );

  it.each(['patch_embed.norm.weight', 'norm.scale', 'attn_pool.latent2', 'blocks.1.attn.gate'])(
    'for %s, which would change the answers',
    async (name) => {
      const own = new Map(weights).set(name, float32Tensor(name, [width], new Float32Array(width)));
      await expect(load(own)).rejects.toThrow(/holds the tensor ".*", which the network of 2 blocks does not read/);
    },
  );

  it('for shapes that differ', async () => {
    const odd = new Map(weights);
    for (const name of ['blocks.0.norm1.bias', 'norm.bias'])
      odd.set(name, float32Tensor(name, [7], new Float32Array(7)));
    await expect(load(odd)).rejects.toThrow(
      /2 tensors have other shapes: "blocks\.0\.norm1\.bias" is \[7\] where the model needs \[6\], "norm\.bias" is \[7\]/,
    );
  });

  it.each([
    ['NaN', Number.NaN, /the tensor "blocks\.1\.mlp\.fc1\.weight" is NaN at \[2, 3\]/],
    ['infinity', Number.NEGATIVE_INFINITY, /"blocks\.1\.mlp\.fc1\.weight" is infinite at \[2, 3\]/],
  ])('for %s in a tensor', async (_, value, message) => {
    const name = 'blocks.1.mlp.fc1.weight';
    const values = float32Values(weights.get(name)!).slice();
    values[2 * width + 3] = value;
    await expect(load(new Map(weights).set(name, float32Tensor(name, [hiddenWidth, width], values)))).rejects.toThrow(
      message,
    );
  });
});

describe('folders', () => {
  it('with an adapter alone name its base', async () => {
    const adapter = join(folder, 'adapter');
    await mkdir(adapter);
    const text = JSON.stringify({ peft_type: 'LORA', base_model_name_or_path: 'some/vit\u001b' });
    await writeFile(join(adapter, 'adapter_config.json'), text);
    expect(await failure(adapter)).toMatch(/an adapter without the model that it belongs to \(some\/vit\\u001b\)/);
    await writeFile(join(adapter, 'config.json'), JSON.stringify(config));
    expect(await failure(adapter)).toMatch(/an adapter without the model that it belongs to \(some\/vit\\u001b\)/);
  });

  it('that are called like a model here are said, and taken where they are written as paths', async () => {
    const name = 'vit_demo_patch2_28';
    const before = process.cwd();
    await mkdir(join(folder, name));
    try {
      process.chdir(folder);
      const model = await loadModel(name);
      expect(model.warnings).toEqual([
        expect.stringMatching(/folder vit_demo_patch2_28 here, too.*write \.\/vit_demo/),
      ]);
      expect(await failure(`./${name}`)).toMatch(/has no config\.json/);
    } finally {
      process.chdir(before);
    }
  });

  it('that are not there are not asked of the hub where their parent is', async () => {
    await mkdir(join(folder, 'out', 'deit-t'), { recursive: true });
    const before = process.cwd();
    try {
      process.chdir(folder);
      expect(await failure('out/deit-x')).toMatch(/no folder out\/deit-x, .*did you mean out\/deit-t\?/);
      expect(await failure('out/something-else')).toMatch(/no folder out\/something-else, .*check the path/);
    } finally {
      process.chdir(before);
    }
    expect(await failure('C:/vit')).toMatch(/There is no folder C:\/vit/);
    expect(await failure('deit_tyni_patch16_224')).toMatch(/did you mean deit_tiny_patch16_224\?/);
  });

  it.skipIf(process.platform === 'win32')('and files that are pipes are refused, not waited for', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(await failure('deit_tiny_patch16_224', { weights: pipe })).toMatch(/pipe is not a regular file/);
  });
});
