/** Names of timm, Hugging Face (before and since transformers 5) and wrappers onto timm's. */
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { canonicalWeights } from '../../src/checkpoints/naming.ts';
import { float32Tensor, float32Values, type Weights } from '../../src/checkpoints/weights.ts';

const BLOCK = 'encoder.layer.10';

/** Tensors `[2]` whose values tell which they are: `[index, index]`. */
function named(...names: string[]): Weights {
  return new Map(names.map((name, index) => [name, float32Tensor(name, [2], Float32Array.of(index, index))]));
}

function namesOf(weights: Weights): string[] {
  return [...weights.keys()].sort();
}

const HUGGING_FACE = [
  'embeddings.cls_token',
  'embeddings.position_embeddings',
  'embeddings.patch_embeddings.projection.weight',
  'embeddings.patch_embeddings.projection.bias',
  'embeddings.mask_token',
  ...['query', 'key', 'value'].flatMap((part) => [
    `${BLOCK}.attention.attention.${part}.weight`,
    `${BLOCK}.attention.attention.${part}.bias`,
  ]),
  `${BLOCK}.attention.output.dense.weight`,
  `${BLOCK}.layernorm_before.weight`,
  `${BLOCK}.layernorm_after.bias`,
  `${BLOCK}.intermediate.dense.weight`,
  `${BLOCK}.output.dense.bias`,
  'layernorm.weight',
  'pooler.dense.weight',
];
const TIMM = [
  'blocks.10.attn.proj.weight',
  'blocks.10.attn.qkv.bias',
  'blocks.10.attn.qkv.weight',
  'blocks.10.mlp.fc1.weight',
  'blocks.10.mlp.fc2.bias',
  'blocks.10.norm1.weight',
  'blocks.10.norm2.bias',
  'cls_token',
  'norm.weight',
  'patch_embed.proj.bias',
  'patch_embed.proj.weight',
  'pos_embed',
];

describe('canonicalWeights', () => {
  it('passes timm names through, MAE and hierarchical ones too', () => {
    const names = [
      'blocks.0.attn.qkv.weight',
      'fc_norm.weight',
      'head.weight',
      'head_dist.bias',
      'stages.0.blocks.1.norm1.weight',
    ];
    const weights = canonicalWeights(named(...names), 'x');
    expect([...weights.keys()]).toEqual(names);
    expect([...weights.values()].map(({ name }) => name)).toEqual(names);
  });

  it('strips wrappers, also several, and leaves out a pre-training decoder', () => {
    const stored = named(
      'module.model.cls_token',
      'backbone.norm.weight',
      '_orig_mod.module.pos_embed',
      'decoder_pred.weight',
      'mask_token',
    );
    expect([...canonicalWeights(stored, 'x').keys()]).toEqual(['cls_token', 'norm.weight', 'pos_embed']);
  });

  it.each(['vit.', 'deit.', '', 'module.vit.'])('maps Hugging Face names under "%s"', (prefix) => {
    const stored = named(
      ...HUGGING_FACE.map((name) => prefix + name),
      'classifier.weight',
      'classifier.bias',
      'decoder.decoder_norm.weight',
    );
    expect(namesOf(canonicalWeights(stored, 'x'))).toEqual([...TIMM, 'head.bias', 'head.weight'].sort());
  });

  it('keeps the pooler of an encoder without a classifier', () => {
    const encoder = named(...HUGGING_FACE, 'pooler.dense.bias');
    expect(namesOf(canonicalWeights(encoder, 'x'))).toEqual(
      [...TIMM, 'pooler.dense.bias', 'pooler.dense.weight'].sort(),
    );
  });

  it('maps distilled DeiT', () => {
    const stored = named(
      'deit.embeddings.patch_embeddings.projection.bias',
      'deit.embeddings.distillation_token',
      'cls_classifier.weight',
      'distillation_classifier.bias',
    );
    expect(namesOf(canonicalWeights(stored, 'x'))).toEqual([
      'dist_token',
      'head.weight',
      'head_dist.bias',
      'patch_embed.proj.bias',
    ]);
  });

  it('maps the names of transformers 5', () => {
    const stored = named(
      ...['q_proj', 'k_proj', 'v_proj', 'o_proj'].map((part) => `vit.layers.3.attention.${part}.weight`),
      'vit.layers.3.mlp.fc1.bias',
      'vit.layers.3.mlp.fc2.weight',
      'vit.layers.3.layernorm_before.weight',
      'vit.layernorm.bias',
    );
    expect(namesOf(canonicalWeights(stored, 'x'))).toEqual([
      'blocks.3.attn.proj.weight',
      'blocks.3.attn.qkv.weight',
      'blocks.3.mlp.fc1.bias',
      'blocks.3.mlp.fc2.weight',
      'blocks.3.norm1.weight',
      'norm.bias',
    ]);
  });

  it('joins query, key and value in that order, whatever the order in the file', () => {
    const projection = (part: string, value: number): [string, ReturnType<typeof float32Tensor>] => {
      const name = `vit.encoder.layer.0.attention.attention.${part}.weight`;
      return [name, float32Tensor(name, [2, 2], new Float32Array(4).fill(value))];
    };
    const stored = new Map([projection('value', 3), projection('query', 1), projection('key', 2)]);
    const joined = canonicalWeights(stored, 'x').get('blocks.0.attn.qkv.weight');
    expect(joined).toMatchObject({ name: 'blocks.0.attn.qkv.weight', type: 'float32', shape: [6, 2] });
    expect(joined && [...float32Values(joined)]).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
  });

  it('keeps names that nobody knows', () => {
    const stored = named(
      'vit.embeddings.patch_embeddings.projection.bias',
      'vit.encoder.layer.0.adapter.weight',
      'extra',
    );
    expect([...canonicalWeights(stored, 'x').keys()]).toEqual([
      'patch_embed.proj.bias',
      'vit.encoder.layer.0.adapter.weight',
      'extra',
    ]);
  });

  it('reports a missing projection, projections that do not fit, and doubles', () => {
    const path = 'vit.encoder.layer.0.attention.attention';
    expect(() => canonicalWeights(named(`${path}.query.weight`, `${path}.value.weight`), 'x.pth')).toThrow(
      /x\.pth has no key for blocks\.0\.attn\.qkv\.weight/,
    );
    const short = float32Tensor('', [3], new Float32Array(3));
    const odd = new Map([
      ...named(`${path}.query.bias`, `${path}.key.bias`),
      [`${path}.value.bias`, { ...short, name: `${path}.value.bias` }],
    ]);
    expect(() => canonicalWeights(odd, 'x.pth')).toThrow(
      /do not fit together \(float32 \[2\], float32 \[2\], float32 \[3\]\)/,
    );
    expect(() => canonicalWeights(named('head.bias', 'module.head.bias'), 'x.pth')).toThrow(
      /two tensors for head\.bias/,
    );
    expect(() => canonicalWeights(named('head.bias', 'module.head.bias'), 'x.pth')).toThrow(DiffrateError);
  });
});
