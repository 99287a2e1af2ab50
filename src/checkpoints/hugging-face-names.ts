/**
 * Weights under the names of Hugging Face transformers (`ViTForImageClassification`, `ViTModel`).
 * A folder needs them whose `config.json` says `model_type: vit`: under other names Python's
 * `from_pretrained` would start from random weights. `naming.ts` reads these names back.
 */
import { QUERY_KEY_VALUE } from './naming.ts';
import type { WeightTensor, Weights } from './weights.ts';

/** Names of the encoder, a trailing `.weight` or `.bias` kept apart. */
const ENCODER = new Map([
  ['cls_token', 'embeddings.cls_token'],
  ['pos_embed', 'embeddings.position_embeddings'],
  ['patch_embed.proj', 'embeddings.patch_embeddings.projection'],
  ['norm', 'layernorm'],
]);

const BLOCK = new Map([
  ['norm1', 'layernorm_before'],
  ['norm2', 'layernorm_after'],
  ['attn.proj', 'attention.output.dense'],
  ['mlp.fc1', 'intermediate.dense'],
  ['mlp.fc2', 'output.dense'],
]);

/**
 * The same values under transformers' names; `attn.qkv` becomes query, key and value.
 * @param weights with canonical names.
 * @param others begin the names of tensors that stay as they are: `reduction.`
 * @returns `undefined` where a tensor has no place in transformers' ViT.
 */
export function huggingFaceWeights(weights: Weights, others: string): Weights | undefined {
  // `ViTModel` has no head and no prefix.
  const prefix = weights.has('head.weight') ? 'vit.' : '';
  const named = new Map<string, WeightTensor>();
  for (const tensor of weights.values()) {
    const { name } = tensor;
    const [, stem = name, suffix = ''] = /^(.*?)(\.weight|\.bias)?$/.exec(name) ?? [];
    const [, block, inner = ''] = /^blocks\.(\d+)\.(.*)$/.exec(stem) ?? [];
    if (inner === 'attn.qkv') {
      for (const part of thirds(tensor, `${prefix}encoder.layer.${block}.attention.attention`, suffix)) {
        named.set(part.name, part);
      }
      continue;
    }
    const own = name.startsWith(others) ? stem : nameOf(stem, block, inner, prefix);
    if (own === undefined) return undefined;
    named.set(own + suffix, { ...tensor, name: own + suffix });
  }
  return named;
}

function nameOf(stem: string, block: string | undefined, inner: string, prefix: string): string | undefined {
  if (stem === 'head') return 'classifier';
  if (stem === 'pooler.dense') return `${prefix}pooler.dense`;
  const name = block === undefined ? ENCODER.get(stem) : BLOCK.get(inner);
  if (name === undefined) return undefined;
  return block === undefined ? prefix + name : `${prefix}encoder.layer.${block}.${name}`;
}

/** Query, key and value of a fused tensor, as views of it. */
function thirds({ type, shape, bytes }: WeightTensor, layer: string, suffix: string): WeightTensor[] {
  const [rows = 0, ...rest] = shape;
  const size = bytes.byteLength / 3;
  return QUERY_KEY_VALUE.map((part, index) => ({
    name: `${layer}.${part}${suffix}`,
    type,
    shape: [rows / 3, ...rest],
    bytes: bytes.subarray(index * size, (index + 1) * size),
  }));
}
