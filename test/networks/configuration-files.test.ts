/**
 * Members of `config.json` of Hugging Face transformers and of timm: each is read, harmless, or
 * refused by name; and what an export writes is read back.
 */
import { describe, expect, it } from 'vitest';
import { float32Tensor } from '../../src/checkpoints/weights.ts';
import type { Weights } from '../../src/checkpoints/weights.ts';
import { countFlops } from '../../src/cost/flops.ts';
import { DiffrateError } from '../../src/errors.ts';
import { modelFromFiles } from '../../src/loading/model-from-files.ts';
import type { LoadedModel } from '../../src/loading/model-from-files.ts';
import { activations } from '../../src/nn/activation.ts';
import { smallNetwork, smallWeights } from '../small-networks.ts';
import type { SmallSizes } from '../small-networks.ts';
import { networkContent } from './network-content.ts';

const sizes = { width: 24, heads: 3, hiddenWidth: 96, depth: 2, classes: 3 } as const;
const weightsOf = (own: SmallSizes = {}): Weights => smallWeights(smallNetwork({ ...sizes, ...own }));

/** Members that every file of this small network has. */
const base = {
  model_type: 'vit',
  image_size: 32,
  patch_size: 8,
  hidden_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  intermediate_size: 96,
  layer_norm_eps: 1e-6,
};
const processor = { image_processor_type: 'ViTImageProcessor', size: 32, image_mean: 0.5, image_std: 0.5 };

const read = (changes: object, weights = weightsOf()): LoadedModel =>
  modelFromFiles({ configuration: { ...base, ...changes }, preprocessor: processor, weights });

const timmBase = {
  architecture: 'vit_tiny_patch8_32',
  num_classes: 3,
  pretrained_cfg: { input_size: [3, 32, 32], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], crop_pct: 0.9 },
};
const readTimm = (modelArguments: object, changes: object = {}, weights = weightsOf()): LoadedModel =>
  modelFromFiles({
    configuration: { ...timmBase, model_args: { num_heads: 3, ...modelArguments }, ...changes },
    weights,
  });

function failure(load: () => unknown): string {
  try {
    load();
  } catch (error) {
    expect(error).toBeInstanceOf(DiffrateError);
    expect((error as Error).message).not.toMatch(/correct (?:it|one)/);
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
}

const hubOf = ({ network }: LoadedModel): Readonly<Record<string, unknown>> => network.hubConfiguration(() => true);

describe('config.json of transformers', () => {
  const published: [string, object][] = [
    [
      'facebook/deit-tiny-patch16-224',
      {
        architectures: ['ViTForImageClassification'],
        attention_probs_dropout_prob: 0.0,
        hidden_act: 'gelu',
        hidden_dropout_prob: 0.0,
        initializer_range: 0.02,
        model_type: 'vit',
        num_channels: 3,
        qkv_bias: true,
        transformers_version: '4.13.0.dev0',
        torch_dtype: 'float32',
      },
    ],
    [
      'google/vit-base-patch16-224',
      { _name_or_path: 'x', encoder_stride: 16, label2id: { crane: 1 }, id2label: { 0: 'a', 1: 'crane', 2: 'crane' } },
    ],
    [
      'facebook/vit-mae-base',
      {
        model_type: 'vit_mae',
        decoder_hidden_size: 512,
        decoder_intermediate_size: 2048,
        decoder_num_attention_heads: 16,
        decoder_num_hidden_layers: 8,
        mask_ratio: 0.75,
        norm_pix_loss: false,
      },
    ],
    [
      'transformers 5',
      { dtype: 'float32', pooler_act: 'tanh', pooler_output_size: 24, is_decoder: false, pruned_heads: {} },
    ],
  ];
  it.each(published)('of %s loads without a word', (_, config) => {
    const isEncoder = 'decoder_hidden_size' in config;
    const { warnings } = read(config, weightsOf(isEncoder ? { classes: 0 } : {}));
    expect(warnings.filter((warning) => !warning.includes('no classifier'))).toEqual([]);
  });

  it('names members that nobody knows, once', () => {
    const { warnings } = read({ window_size: 7, zeta: 1, alpha: 2, beta: 3 });
    expect(warnings).toEqual([
      'config.json has members that are not known here and were ignored: "window_size", "zeta", "alpha" and 1 more.',
    ]);
  });

  it.each([
    ['gelu', 'gelu'],
    ['gelu_python', 'gelu'],
    ['gelu_new', 'gelu_pytorch_tanh'],
    ['gelu_fast', 'gelu_pytorch_tanh'],
    ['gelu_pytorch_tanh', 'gelu_pytorch_tanh'],
    ['quick_gelu', 'quick_gelu'],
    ['silu', 'silu'],
    ['swish', 'silu'],
    ['relu', 'relu'],
  ])('reads the activation %s', (name, activation) => {
    expect(hubOf(read({ hidden_act: name }))).toMatchObject({ hidden_act: activation });
  });

  const refused: [string, object, RegExp][] = [
    ['another activation', { hidden_act: 'mish' }, /"hidden_act" is "mish", but only "gelu", .* use another model/],
    ['a name of every object', { hidden_act: 'constructor' }, /"hidden_act" is "constructor"/],
    ['a value of 20 kB', { hidden_act: 'x'.repeat(20_000) }, /"hidden_act" is "x{79}…", but only/],
    ['two channels', { num_channels: 2 }, /"num_channels" is 2, but only 1 \(grey\) and 3 \(RGB\)/],
    ['another number of channels', { num_channels: 1 }, /number of channels is 3 where config\.json has 1/],
    [
      'no biases beside biases',
      { qkv_bias: false },
      /"qkv_bias" is false, but .* has the tensor "blocks\.0\.attn\.qkv\.bias"/,
    ],
    [
      'quantised weights',
      { quantization_config: { bits: 4 } },
      /"quantization_config" is \{"bits":4\}, but only a network without it/,
    ],
    ['pruned heads', { pruned_heads: { 0: [1] } }, /"pruned_heads" is/],
    ['an unknown problem', { problem_type: 'ranking' }, /"problem_type" is "ranking" where/],
    [
      'a slip in the kind',
      { model_type: 'ViT' },
      /"model_type" is "ViT", which transformers does not know; it knows "vit"/,
    ],
    ['a dash in the kind', { model_type: 'vit-mae' }, /it knows "vit_mae"/],
    ['a kind that is no name', { model_type: 3 }, /"model_type" is 3, but only "vit", "deit", "vit_mae"/],
    ['a kin', { model_type: 'dinov2' }, /"model_type" is "dinov2", which is not supported/],
  ];
  it.each(refused)('with %s is refused by name', (_, config, message) => {
    expect(failure(() => read(config))).toMatch(message);
  });

  it('refuses another pooler where it is read', () => {
    const pooler = new Map(weightsOf({ classes: 0 }));
    for (const [name, shape] of [['pooler.dense.weight', [24, 24]] as const, ['pooler.dense.bias', [24]] as const])
      pooler.set(
        name,
        float32Tensor(name, shape, new Float32Array(shape.reduce((product, size) => product * size, 1))),
      );
    expect(failure(() => read({ pooler_act: 'relu' }, pooler))).toMatch(/"pooler_act" is "relu", but only "tanh"/);
    expect(failure(() => read({ pooler_output_size: 12 }, pooler))).toMatch(/"pooler_output_size" is 12/);
    expect(read({ pooler_act: 'relu' }).warnings).toEqual([]);
  });

  it('says what the outputs are', () => {
    expect(read({ problem_type: 'regression' }).network.answers).toEqual({ kind: 'values', size: 3 });
    expect(read({ problem_type: 'multi_label_classification' }).network.answers).toEqual({ kind: 'labels', size: 3 });
    expect(read({ problem_type: 'single_label_classification' }).network.answers.kind).toBe('classes');
    expect(read({ problem_type: null }).network.answers.kind).toBe('classes');
    expect(read({}, weightsOf({ classes: 1 })).network.answers).toEqual({ kind: 'values', size: 1 });
  });

  const written: [string, SmallSizes][] = [
    ...activations.map((activation): [string, SmallSizes] => [activation, { activation }]),
    ['a mean', { pool: 'mean' }],
    ['a mean of normalised patches', { pool: 'mean', lastNorm: 'norm' }],
    ['no class token', { pool: 'mean', prefixTokens: [] }],
    ['no class token, normalised patches', { pool: 'mean', lastNorm: 'norm', prefixTokens: [] }],
    ['fc_norm on a class token', { lastNorm: 'fc_norm' }],
    ['labels', { problem: 'labels' }],
    ['values', { problem: 'values' }],
    ['one value', { classes: 1 }],
    ['one channel', { channels: 1 }],
    ['another epsilon', { layerNormEpsilon: 1e-5 }],
    ['an oblong input', { inputSize: { height: 16, width: 32 } }],
  ];
  it.each(written)('that an export writes for %s is read back equal', (_, own) => {
    const network = smallNetwork({ ...sizes, ...own });
    const { height, width } = network.input;
    for (const extra of [{}, network.checkpointConfiguration]) {
      const again = modelFromFiles({
        configuration: { ...network.hubConfiguration(() => true), ...extra },
        preprocessor: { ...processor, size: { height, width } },
        weights: smallWeights(network),
      });
      expect(networkContent(again.network)).toEqual(networkContent(network));
      expect(again.warnings).toEqual([]);
    }
  });
});

describe('config.json of timm', () => {
  it('of a published model loads without a word', () => {
    const { warnings, labels, otherNames } = readTimm(
      { img_size: 32 },
      {
        num_features: 24,
        global_pool: 'token',
        pretrained_cfg: {
          ...timmBase.pretrained_cfg,
          tag: 'fb_in1k',
          custom_load: false,
          fixed_input_size: true,
          interpolation: 'bicubic',
          crop_mode: 'center',
          num_classes: 3,
          pool_size: null,
          test_input_size: [3, 64, 64],
          test_crop_pct: 1,
          first_conv: 'patch_embed.proj',
          classifier: 'head',
          license: 'apache-2.0',
        },
        label_names: ['n1', 'n2', 'n3'],
        label_descriptions: { n1: 'ant' },
      },
    );
    expect(warnings).toEqual([]);
    expect(labels).toEqual({ 0: 'ant', 1: 'n2', 2: 'n3' });
    expect(otherNames).toEqual({ 0: 'n1', 1: 'n2', 2: 'n3' });
  });

  it('has arguments that are read', () => {
    expect(hubOf(readTimm({ act_layer: 'relu' }))).toMatchObject({ hidden_act: 'relu' });
    expect(hubOf(readTimm({ act_layer: 'gelu_tanh' }))).toMatchObject({ hidden_act: 'gelu_pytorch_tanh' });
    expect(hubOf(readTimm({ norm_eps: 1e-5 }))).toMatchObject({ layer_norm_eps: 1e-5 });
    expect(readTimm({}, { problem_type: 'multi_label_classification' }).network.answers.kind).toBe('labels');
    const oblong = weightsOf({ inputSize: { height: 16, width: 32 } });
    expect(readTimm({ img_size: [16, 32] }, {}, oblong).network.layout.grid).toEqual([2, 4]);
  });

  it('has arguments without influence on answers', () => {
    const harmless = {
      drop_rate: 0.1,
      drop_path_rate: 0.2,
      weight_init: 'skip',
      dynamic_img_size: true,
      num_classes: 3,
    };
    const usual = {
      pre_norm: false,
      qk_norm: false,
      reg_tokens: 0,
      init_values: null,
      norm_layer: 'layernorm',
      qkv_bias: true,
    };
    expect(networkContent(readTimm({ ...harmless, ...usual }).network)).toEqual(networkContent(readTimm({}).network));
  });

  const refused: [string, object, RegExp][] = [
    ['act_layer', { act_layer: 'mish' }, /"model_args\.act_layer" is "mish", but only "gelu"/],
    ['norm_layer', { norm_layer: 'rmsnorm' }, /"model_args\.norm_layer" is "rmsnorm"/],
    ['block_fn', { block_fn: 'ParallelThingsBlock' }, /"model_args\.block_fn"/],
    ['no_embed_class', { no_embed_class: true }, /"model_args\.no_embed_class" is true/],
    ['pre_norm', { pre_norm: true }, /"model_args\.pre_norm" is true/],
    ['qk_norm', { qk_norm: true }, /"model_args\.qk_norm" is true/],
    ['init_values', { init_values: 1e-5 }, /"model_args\.init_values" is 0\.00001/],
    ['reg_tokens', { reg_tokens: 4 }, /"model_args\.reg_tokens" is 4/],
    ['final_norm', { final_norm: false }, /"model_args\.final_norm" is false, but only true/],
    ['proj_bias', { proj_bias: false }, /"model_args\.proj_bias" is false/],
    ['qkv_bias', { qkv_bias: false }, /"model_args\.qkv_bias" is false, but/],
    ['pos_embed', { pos_embed: 'none' }, /"model_args\.pos_embed" is "none"/],
    ['in_chans', { in_chans: 4 }, /"model_args\.in_chans" is 4/],
    ['patch_size', { patch_size: 16 }, /patch size is 8 where config\.json has 16/],
    ['depth', { depth: 3 }, /number of blocks is 2 where config\.json has 3/],
    ['mlp_ratio', { mlp_ratio: 2 }, /hidden width of the MLP is 96 where config\.json has 48/],
    ['global_pool', { global_pool: 'map' }, /"model_args\.global_pool" is "map" where/],
    ['what nobody knows', { swiglu: true }, /"model_args\.swiglu" is no argument .* that is known here/],
    [
      'class_token and no mean',
      { class_token: false },
      /"model_args\.class_token" is false, but "global_pool" is "token"/,
    ],
  ];
  it.each(refused)('with another %s is refused by name', (_, modelArguments, message) => {
    expect(failure(() => readTimm(modelArguments))).toMatch(message);
  });

  it('refuses two statements of one thing', () => {
    expect(failure(() => readTimm({ global_pool: 'avg' }, { global_pool: 'token' }))).toMatch(
      /"model_args\.global_pool" is "avg" and "global_pool" is "token"/,
    );
  });

  it('tells the number of heads from the name only where the name is of that width', () => {
    const withName =
      (architecture: string, own: object = {}) =>
      () =>
        readTimm({ num_heads: null, ...own }, { architecture });
    expect(failure(withName('vit_tiny_patch8_32'))).toMatch(
      /a width of 192, the checkpoint one of 24, and no "num_heads"/,
    );
    expect(failure(withName('my_vit'))).toMatch(/nothing says how many attention heads/);
    expect(failure(withName('vit_base_patch16_clip_quickgelu_224', { num_heads: 3 }))).toMatch(/no plain Vision/);
    expect(withName('vit_tiny_patch8_32', { embed_dim: 24 })().network.features?.heads).toBe(3);
    expect(withName('my_vit', { num_heads: 6 })().network.features?.heads).toBe(6);
  });

  const withoutToken = { pool: 'mean', prefixTokens: [] } as const;
  it.each([
    ['fc_norm true', { fc_norm: true }, { ...withoutToken, lastNorm: 'fc_norm' }],
    ['fc_norm false', { fc_norm: false }, { ...withoutToken, lastNorm: 'norm' }],
    ['fc_norm by default', {}, withoutToken],
    ['a norm of tokens by its name', {}, { ...withoutToken, lastNorm: 'norm' }],
  ] as const)('may have no class token, with %s', (_, own, wanted) => {
    const model = readTimm({ class_token: false, global_pool: 'avg', ...own }, {}, weightsOf(wanted));
    expect(networkContent(model.network)).toEqual(networkContent(smallNetwork({ ...sizes, ...wanted })));
    expect(model.network).toMatchObject({ importanceFrom: 'attention-received', layout: { prefix: 0, grid: [4, 4] } });
    // 16 patches and nothing else: embedding, two blocks, head.
    const block = 4 * 16 * 24 ** 2 + 2 * 16 ** 2 * 24 + 2 * 16 * 24 * 96;
    expect(countFlops(model.network, { pruneKept: [16, 16], mergeKept: [16, 16] }).total).toBe(
      16 * 24 * 8 ** 2 * 3 + 2 * block + 24 * 3,
    );
  });

  it('and the checkpoint agree on the class token', () => {
    const noToken = { class_token: false, global_pool: 'avg' };
    expect(failure(() => readTimm(noToken))).toMatch(/has a class token \("cls_token"\) where config\.json has none/);
    expect(failure(() => readTimm({ global_pool: 'avg' }, {}, weightsOf(withoutToken)))).toMatch(
      /has no class token where config\.json has one/,
    );
    expect(
      failure(() => readTimm({ ...noToken, fc_norm: true }, {}, weightsOf({ ...withoutToken, lastNorm: 'norm' }))),
    ).toMatch(/fc_norm/);
  });

  it('reads grey images with one channel', () => {
    const pretrained = { ...timmBase.pretrained_cfg, input_size: [1, 32, 32], mean: [0.5], std: [0.25] };
    const model = readTimm({ in_chans: 1 }, { pretrained_cfg: pretrained }, weightsOf({ channels: 1 }));
    expect(model.network.input.channels).toBe(1);
    expect(model.preprocessing).toMatchObject({ mean: [0.5], std: [0.25] });
  });

  it('asks for images that can be made', () => {
    const withImages = (own: object) => () => readTimm({}, { pretrained_cfg: { ...timmBase.pretrained_cfg, ...own } });
    expect(failure(withImages({ crop_mode: 'border' }))).toMatch(
      /"pretrained_cfg\.crop_mode" is "border", but only "center"/,
    );
    for (const interpolation of ['random', 'nearest', 'lanczos'])
      expect(failure(withImages({ interpolation }))).toMatch(`"pretrained_cfg.interpolation" is "${interpolation}"`);
    expect(failure(withImages({ mean: [0.5] }))).toMatch(/"pretrained_cfg\.mean" is \[0\.5\], but only 3 numbers/);
    expect(withImages({ strange: 1 })().warnings).toEqual([
      expect.stringMatching(/ignored: "pretrained_cfg\.strange"/),
    ]);
    expect(withImages({ interpolation: '', crop_mode: '' })().preprocessing.interpolation).toBe('bicubic');
  });
});
