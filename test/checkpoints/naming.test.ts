/** Names of timm, Hugging Face (before and since transformers 5) and wrappers onto timm's. */
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { canonicalWeights } from '../../src/checkpoints/canonical-weights.ts';
import { huggingFaceWeights } from '../../src/checkpoints/hugging-face-names.ts';
import { storedTensors } from '../../src/checkpoints/stored-checkpoint.ts';
import { findCandidates } from '../../src/checkpoints/unwrapping.ts';
import { float32Tensor, float32Values, type Weights } from '../../src/checkpoints/weights.ts';
import { smallNetwork, smallWeights, tinySizes } from '../small-networks.ts';

const BLOCK = 'encoder.layer.10';

/** Tensors `[2]` whose values tell which they are: `[index, index]`. */
function named(...names: string[]): Weights {
  return new Map(names.map((name, index) => [name, float32Tensor(name, [2], Float32Array.of(index, index))]));
}

/** The weights of the likeliest candidate under canonical names. */
function canonical(stored: Weights, file = 'x', own: readonly string[] = []): Weights {
  const [candidate] = findCandidates(storedTensors(stored), new Set(own));
  return candidate === undefined ? new Map() : canonicalWeights(candidate, stored, file);
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

describe('canonical weights', () => {
  it('passes timm names through, MAE and hierarchical ones too', () => {
    const names = [
      'blocks.0.attn.qkv.weight',
      'fc_norm.weight',
      'head.weight',
      'head_dist.bias',
      'stages.0.blocks.1.norm1.weight',
    ];
    const weights = canonical(named(...names));
    expect([...weights.keys()]).toEqual(names);
    expect([...weights.values()].map(({ name }) => name)).toEqual(names);
  });

  it('leave wrappers behind, also several, and a pre-training decoder', () => {
    const names = ['cls_token', 'norm.weight', 'pos_embed'];
    const stored = named(...[...names, 'decoder_pred.weight', 'mask_token'].map((name) => `module.model.${name}`));
    expect([...canonical(stored).keys()]).toEqual(names);
  });

  it('take a classifier that stands before the prefix, under any name of one', () => {
    const body = ['cls_token', 'norm.weight', 'pos_embed'].map((name) => `net.backbone.${name}`);
    for (const [head, prefix] of [
      ['head', 'net.backbone.'],
      ['classifier', 'net.'],
      ['head.layers.head', 'net.'],
      ['fc', ''],
    ]) {
      const weight = float32Tensor('', [2, 3], new Float32Array(6));
      const stored = new Map([...named(...body), [`${prefix}${head}.weight`, weight] as const]);
      expect([...canonical(stored).keys()], head).toEqual(['cls_token', 'norm.weight', 'pos_embed', 'head.weight']);
    }
  });

  it.each(['vit.', 'deit.', '', 'module.vit.'])('maps Hugging Face names under "%s"', (prefix) => {
    const stored = named(
      ...HUGGING_FACE.map((name) => prefix + name),
      'classifier.weight',
      'classifier.bias',
      'decoder.decoder_norm.weight',
    );
    expect(namesOf(canonical(stored))).toEqual([...TIMM, 'head.bias', 'head.weight'].sort());
  });

  it('keeps the pooler of an encoder without a classifier', () => {
    const encoder = named(...HUGGING_FACE, 'pooler.dense.bias');
    expect(namesOf(canonical(encoder))).toEqual([...TIMM, 'pooler.dense.bias', 'pooler.dense.weight'].sort());
  });

  it('maps distilled DeiT', () => {
    const stored = named(
      'deit.embeddings.patch_embeddings.projection.bias',
      'deit.embeddings.distillation_token',
      'cls_classifier.weight',
      'distillation_classifier.bias',
    );
    expect(namesOf(canonical(stored))).toEqual([
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
    expect(namesOf(canonical(stored))).toEqual([
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
    const joined = canonical(stored).get('blocks.0.attn.qkv.weight');
    expect(joined).toMatchObject({ name: 'blocks.0.attn.qkv.weight', type: 'float32', shape: [6, 2] });
    expect(joined && [...float32Values(joined)]).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
  });

  it('keeps names that nobody knows', () => {
    const stored = named(
      'vit.embeddings.patch_embeddings.projection.bias',
      'vit.encoder.layer.0.adapter.weight',
      'extra',
    );
    expect([...canonical(stored).keys()]).toEqual(['patch_embed.proj.bias', 'encoder.layer.0.adapter.weight']);
    const [candidate] = findCandidates(storedTensors(stored), new Set());
    expect(candidate?.outside).toEqual(['extra']);
  });

  it('reports a missing projection, projections that do not fit, and doubles', () => {
    const path = 'vit.encoder.layer.0.attention.attention';
    expect(() => canonical(named(`${path}.query.weight`, `${path}.value.weight`), 'x.pth')).toThrow(
      /x\.pth has no key for blocks\.0\.attn\.qkv\.weight/,
    );
    const short = float32Tensor('', [3], new Float32Array(3));
    const odd = new Map([
      ...named(`${path}.query.bias`, `${path}.key.bias`),
      [`${path}.value.bias`, { ...short, name: `${path}.value.bias` }],
    ]);
    expect(() => canonical(odd, 'x.pth')).toThrow(
      /do not fit together \(float32 \[2\], float32 \[2\], float32 \[3\]\)/,
    );
    const twice = named('layers.0.mlp.fc1.bias', 'layer.0.intermediate.dense.bias', 'layernorm.bias');
    expect(() => canonical(twice, 'x.pth')).toThrow(/two tensors for blocks\.0\.mlp\.fc1\.bias/);
    expect(() => canonical(twice, 'x.pth')).toThrow(DiffrateError);
  });
});

describe('weights under the names of transformers', () => {
  const own = (classes: number): Weights => {
    const network = smallNetwork({ ...tinySizes, classes });
    const weights = smallWeights(network, 1, (name) => classes === 0 || !name.startsWith('pooler.'));
    const learned = 'reduction.dynamicvit.3.input.weight';
    return new Map([...weights, [learned, float32Tensor(learned, [2], new Float32Array(2))]]);
  };

  it.each([3, 0])('come back as they were, with %i classes', (classes) => {
    const weights = own(classes);
    const stored = huggingFaceWeights(weights, 'reduction.');
    const name = 'encoder.layer.2.attention.attention.key.bias';
    expect(stored?.has(classes > 0 ? `vit.${name}` : name)).toBe(true);
    const back = canonical(stored ?? new Map());
    expect(namesOf(back)).toEqual(namesOf(weights));
    for (const [key, tensor] of weights) {
      expect(back.get(key)?.shape, key).toEqual(tensor.shape);
      expect(Buffer.from(back.get(key)?.bytes ?? []).equals(Buffer.from(tensor.bytes)), key).toBe(true);
    }
  });

  it('are none where transformers has no name for one', () => {
    const extra = 'fc_norm.weight';
    expect(huggingFaceWeights(new Map([...own(3), ...named(extra)]), 'reduction.')).toBeUndefined();
  });
});
