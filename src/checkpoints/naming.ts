/**
 * One canonical naming for Vision Transformer weights: timm's (`vision_transformer.py`). Names of
 * Hugging Face transformers (ViT, DeiT, ViTMAE; `modeling_vit.py` and kin, before and since version
 * 5) are mapped onto it.
 */
import { DiffrateError } from '../errors.ts';
import type { Weights, WeightTensor } from './weights.ts';

/**
 * Prefixes that wrappers put before every name: data parallel, Lightning, detection backbones,
 * torch.compile, timm in transformers.
 */
const WRAPPER_PREFIXES = /^(?:(?:module|model|backbone|_orig_mod|timm_model)\.)+/;

/** Names that only Hugging Face's ViT family uses. */
const HUGGING_FACE_MARK =
  /^(?:(?:vit|deit)\.)?(?:embeddings\.patch_embeddings\.|encoder\.layer\.\d+\.|(?:encoder\.)?layers\.\d+\.attention\.q_proj\.)/;

/**
 * Names outside the blocks, without their `vit.` or `deit.`, a trailing `.weight` or `.bias` kept
 * apart.
 */
const HUGGING_FACE_NAMES = new Map([
  ['embeddings.cls_token', 'cls_token'],
  ['embeddings.distillation_token', 'dist_token'],
  ['embeddings.position_embeddings', 'pos_embed'],
  ['embeddings.patch_embeddings.projection', 'patch_embed.proj'],
  ['layernorm', 'norm'],
  ['pooler.dense', 'pooler.dense'],
  ['classifier', 'head'],
  ['cls_classifier', 'head'],
  ['distillation_classifier', 'head_dist'],
]);

/** Names inside a block, likewise. */
const HUGGING_FACE_BLOCK_NAMES = new Map([
  ['layernorm_before', 'norm1'],
  ['layernorm_after', 'norm2'],
  ['attention.output.dense', 'attn.proj'],
  ['attention.o_proj', 'attn.proj'],
  ['intermediate.dense', 'mlp.fc1'],
  ['output.dense', 'mlp.fc2'],
  ['mlp.fc1', 'mlp.fc1'],
  ['mlp.fc2', 'mlp.fc2'],
]);

const QUERY_KEY_VALUE = ['query', 'key', 'value'] as const;
type QueryKeyValue = (typeof QUERY_KEY_VALUE)[number];

/** Names inside a block that become a third of timm's `attn.qkv`. */
const HUGGING_FACE_PROJECTIONS = new Map<string, QueryKeyValue>([
  ['attention.attention.query', 'query'],
  ['attention.attention.key', 'key'],
  ['attention.attention.value', 'value'],
  ['attention.q_proj', 'query'],
  ['attention.k_proj', 'key'],
  ['attention.v_proj', 'value'],
]);

/**
 * Parts of pre-training that no network reads, and the pooler, which only encoders without a head
 * do.
 */
const HUGGING_FACE_UNUSED = /^(?:decoder|embeddings\.mask_token$)/;
const HUGGING_FACE_POOLER = /^pooler\./;
const PRETRAINING_UNUSED = /^(?:decoder_|mask_token$)/;

/** What becomes of a stored tensor. */
type Destination =
  | { readonly kind: 'renamed'; readonly name: string }
  | { readonly kind: 'projection'; readonly name: string; readonly part: QueryKeyValue }
  | { readonly kind: 'unused' };

/**
 * The weights under timm's names: wrapper prefixes (`module.`, `model.`, `backbone.`) go, Hugging
 * Face names are mapped, its query, key and value become `attn.qkv` (rows in that order),
 * pre-training decoders are left out, and so is the pooler where there is a classifier. Names that
 * nobody knows stay as they are, for the model's loader to report.
 * @param file the file's name for errors Throws `DiffrateError` where two tensors get one name, or
 *   a query, key or value is missing or does not fit the others.
 */
export function canonicalWeights(stored: Weights, file: string): Weights {
  const tensors = [...stored.values()].map((tensor) => ({
    ...tensor,
    name: tensor.name.replace(WRAPPER_PREFIXES, ''),
  }));
  const fromHuggingFace = tensors.some(({ name }) => HUGGING_FACE_MARK.test(name));
  const canonical = new Map<string, WeightTensor>();
  const projections = new Map<string, Map<QueryKeyValue, WeightTensor>>();
  const add = (tensor: WeightTensor): void => {
    if (canonical.has(tensor.name)) throw twice(tensor.name, file);
    canonical.set(tensor.name, tensor);
  };
  for (const tensor of tensors) {
    const destination = fromHuggingFace ? fromHuggingFaceName(tensor.name) : fromTimmName(tensor.name);
    if (destination.kind === 'renamed') add({ ...tensor, name: destination.name });
    if (destination.kind === 'projection') {
      const parts = projections.get(destination.name) ?? new Map<QueryKeyValue, WeightTensor>();
      if (parts.has(destination.part)) throw twice(`${destination.part} of ${destination.name}`, file);
      projections.set(destination.name, parts.set(destination.part, tensor));
    }
  }
  for (const [name, parts] of projections) add(joinProjections(name, parts, file));
  if (!fromHuggingFace || !canonical.has('head.weight')) return canonical;
  return new Map([...canonical].filter(([name]) => !HUGGING_FACE_POOLER.test(name)));
}

function fromTimmName(name: string): Destination {
  return PRETRAINING_UNUSED.test(name) ? { kind: 'unused' } : { kind: 'renamed', name };
}

function fromHuggingFaceName(stored: string): Destination {
  const name = stored.replace(/^(?:vit|deit)\./, '');
  if (HUGGING_FACE_UNUSED.test(name)) return { kind: 'unused' };
  const [, stem = name, suffix = ''] = /^(.*?)(\.weight|\.bias)?$/.exec(name) ?? [];
  const outside = HUGGING_FACE_NAMES.get(stem);
  if (outside !== undefined) return { kind: 'renamed', name: outside + suffix };
  const [, block, inner = ''] = /^(?:encoder\.)?layers?\.(\d+)\.(.*)$/.exec(stem) ?? [];
  const renamed = HUGGING_FACE_BLOCK_NAMES.get(inner);
  const part = HUGGING_FACE_PROJECTIONS.get(inner);
  if (renamed !== undefined) return { kind: 'renamed', name: `blocks.${block}.${renamed}${suffix}` };
  if (part !== undefined) return { kind: 'projection', name: `blocks.${block}.attn.qkv${suffix}`, part };
  return { kind: 'renamed', name: stored };
}

/**
 * Query, key and value one below the other: `[C, C]` three times → `[3 C, C]`, or `[C]` three times
 * → `[3 C]`.
 */
function joinProjections(name: string, parts: ReadonlyMap<QueryKeyValue, WeightTensor>, file: string): WeightTensor {
  const tensors = QUERY_KEY_VALUE.map((part) => {
    const tensor = parts.get(part);
    if (tensor === undefined) {
      throw new DiffrateError(`${file} has no ${part} for ${name}: the checkpoint is incomplete, download it again.`);
    }
    return tensor;
  });
  const [first] = tensors;
  const fits = (tensor: WeightTensor): boolean =>
    tensor.type === first?.type && tensor.shape.length > 0 && tensor.shape.join() === first.shape.join();
  if (first === undefined || !tensors.every(fits)) {
    const shapes = tensors.map(({ type, shape }) => `${type} [${shape.join(', ')}]`).join(', ');
    throw new DiffrateError(
      `Query, key and value for ${name} in ${file} do not fit together (${shapes}): use a checkpoint of a plain ViT or DeiT.`,
    );
  }
  const size = first.bytes.byteLength;
  const bytes = new Uint8Array(3 * size);
  for (const [index, tensor] of tensors.entries()) bytes.set(tensor.bytes, index * size);
  return { name, type: first.type, shape: [3 * (first.shape[0] ?? 0), ...first.shape.slice(1)], bytes };
}

function twice(name: string, file: string): DiffrateError {
  return new DiffrateError(`${file} holds two tensors for ${name}: save the weights of one model only.`);
}
