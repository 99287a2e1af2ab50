/**
 * Namings of Vision Transformer weights, and what becomes of a name in the canonical one, timm's
 * (`vision_transformer.py`), which the repositories of DeiT, DINO and MAE share. A naming knows
 * names as they are behind their prefix. Prefixes are found by `unwrapping.ts`.
 */

/** Parts of timm's fused `attn.qkv`. */
export const QUERY_KEY_VALUE = ['query', 'key', 'value'] as const;

/** One of them. */
export type QueryKeyValue = (typeof QUERY_KEY_VALUE)[number];

/** What becomes of a stored tensor. */
export type Destination =
  | { readonly kind: 'renamed'; readonly name: string }
  | {
      readonly kind: 'part';
      readonly name: string;
      readonly part: QueryKeyValue;
      /** A missing key is zero: BEiT's way to train biases of query and value only. */
      readonly keyMayBeZero: boolean;
    }
  /** Parts of pre-training that no network reads. */
  | { readonly kind: 'unused' };

/** A naming. */
export interface Naming {
  readonly title: string;
  /** What becomes of a name; `undefined` where the naming does not know it. */
  destination(name: string): Destination | undefined;
}

const renamed = (name: string): Destination => ({ kind: 'renamed', name });
const unused: Destination = { kind: 'unused' };

/** A name as what is before `.weight` or `.bias`, and that. */
function stemOf(name: string): readonly [stem: string, suffix: string] {
  const [, stem = name, suffix = ''] = /^(.*?)(\.weight|\.bias)?$/.exec(name) ?? [];
  return [stem, suffix];
}

const TIMM_NAME = new RegExp(
  '^(?:cls_token|dist_token|reg_token|pos_embed|(?:' +
    String.raw`patch_embed\.proj|norm|fc_norm|norm_pre|head|head_dist|pooler\.dense|` +
    String.raw`blocks\.\d+\.(?:norm1|norm2|attn\.qkv|attn\.proj|mlp\.fc1|mlp\.fc2)` +
    String.raw`)\.(?:weight|bias))$`,
);
const TIMM_SEPARATE_BIAS = /^(blocks\.\d+\.attn)\.([qkv])_bias$/;
const TIMM_UNUSED = /^(?:decoder_|mask_token$)/;
const BIAS_PARTS: Readonly<Record<string, QueryKeyValue>> = { q: 'query', k: 'key', v: 'value' };

/** What training writes of a method's own parameters (`reduction/methods/learned.ts`). */
const LEARNED = /^reduction\./;

/**
 * timm's names, and those that a network reads itself.
 * @param own names of the network's parameters, for families that timm has not.
 */
export function canonicalNaming(own: ReadonlySet<string> = new Set()): Naming {
  return {
    title: 'timm',
    destination(name) {
      if (TIMM_NAME.test(name) || own.has(name) || LEARNED.test(name)) return renamed(name);
      const [, attention, letter = ''] = TIMM_SEPARATE_BIAS.exec(name) ?? [];
      const part = BIAS_PARTS[letter];
      if (part !== undefined) return { kind: 'part', name: `${attention}.qkv.bias`, part, keyMayBeZero: true };
      return TIMM_UNUSED.test(name) ? unused : undefined;
    },
  };
}

/**
 * A naming as a table.
 * @param outside names outside the blocks, without `.weight` and `.bias`.
 * @param block finds a block: its number, then the name inside it.
 * @param inside names inside a block, likewise.
 * @param parts names inside a block that become a third of `attn.qkv`.
 */
function tableNaming(
  title: string,
  outside: Readonly<Record<string, string>>,
  block: RegExp,
  inside: Readonly<Record<string, string>>,
  parts: Readonly<Record<string, QueryKeyValue>> = {},
  unusedNames: RegExp | undefined = undefined,
): Naming {
  const [outsideNames, insideNames] = [new Map(Object.entries(outside)), new Map(Object.entries(inside))];
  const partNames = new Map(Object.entries(parts));
  return {
    title,
    destination(name) {
      if (unusedNames?.test(name)) return unused;
      const [stem, suffix] = stemOf(name);
      const plain = outsideNames.get(stem);
      if (plain !== undefined) return renamed(plain + suffix);
      const [, number, inner = ''] = block.exec(stem) ?? [];
      const known = insideNames.get(inner);
      if (known !== undefined) return renamed(`blocks.${number}.${known}${suffix}`);
      const part = partNames.get(inner);
      if (part === undefined || suffix === '') return undefined;
      return { kind: 'part', name: `blocks.${number}.attn.qkv${suffix}`, part, keyMayBeZero: false };
    },
  };
}

/** Hugging Face transformers: ViT, DeiT, ViTMAE (`modeling_vit.py` and kin), before and since 5. */
const huggingFaceNaming = tableNaming(
  'Hugging Face',
  {
    'embeddings.cls_token': 'cls_token',
    'embeddings.distillation_token': 'dist_token',
    'embeddings.position_embeddings': 'pos_embed',
    'embeddings.patch_embeddings.projection': 'patch_embed.proj',
    layernorm: 'norm',
    'pooler.dense': 'pooler.dense',
  },
  /^(?:encoder\.)?layers?\.(\d+)\.(.*)$/,
  {
    layernorm_before: 'norm1',
    layernorm_after: 'norm2',
    'attention.output.dense': 'attn.proj',
    'attention.o_proj': 'attn.proj',
    'intermediate.dense': 'mlp.fc1',
    'output.dense': 'mlp.fc2',
    'mlp.fc1': 'mlp.fc1',
    'mlp.fc2': 'mlp.fc2',
  },
  {
    'attention.attention.query': 'query',
    'attention.attention.key': 'key',
    'attention.attention.value': 'value',
    'attention.q_proj': 'query',
    'attention.k_proj': 'key',
    'attention.v_proj': 'value',
  },
  /^(?:decoder\.|embeddings\.mask_token$)/,
);

/** torchvision (`torchvision/models/vision_transformer.py`), old and new names of the MLP. */
const torchvision: Naming = (() => {
  const table = tableNaming(
    'torchvision',
    {
      class_token: 'cls_token',
      'encoder.pos_embedding': 'pos_embed',
      conv_proj: 'patch_embed.proj',
      'encoder.ln': 'norm',
      'heads.head': 'head',
    },
    /^encoder\.layers\.encoder_layer_(\d+)\.(.*)$/,
    {
      ln_1: 'norm1',
      ln_2: 'norm2',
      'self_attention.out_proj': 'attn.proj',
      'mlp.0': 'mlp.fc1',
      'mlp.3': 'mlp.fc2',
      'mlp.linear_1': 'mlp.fc1',
      'mlp.linear_2': 'mlp.fc2',
      'self_attention.in_proj': 'attn.qkv',
    },
  );
  // `torch.nn.MultiheadAttention` has a parameter of that name, not a layer.
  const layer = (name: string): string => name.replace(/\.in_proj_(weight|bias)$/, '.in_proj.$1');
  return { ...table, destination: (name) => table.destination(layer(name)) };
})();

/** OpenMMLab's (`mmpretrain/models/backbones/vision_transformer.py`), old and new norms. */
const openMmlab = tableNaming(
  'OpenMMLab',
  {
    cls_token: 'cls_token',
    pos_embed: 'pos_embed',
    'patch_embed.projection': 'patch_embed.proj',
    ln1: 'norm',
    norm1: 'norm',
    ln2: 'fc_norm',
    norm2: 'fc_norm',
  },
  /^layers\.(\d+)\.(.*)$/,
  {
    ln1: 'norm1',
    ln2: 'norm2',
    norm1: 'norm1',
    norm2: 'norm2',
    'attn.qkv': 'attn.qkv',
    'attn.proj': 'attn.proj',
    'ffn.layers.0.0': 'mlp.fc1',
    'ffn.layers.1': 'mlp.fc2',
  },
);

/**
 * The namings that there are, the canonical one first.
 * @param own names of the network's parameters.
 */
export function namings(own?: ReadonlySet<string>): readonly Naming[] {
  return [canonicalNaming(own), huggingFaceNaming, torchvision, openMmlab];
}

/**
 * Names of classifiers and poolers, which often stand beside the rest instead of behind its prefix,
 * with what they become.
 */
export const HEADS: readonly (readonly [stored: string, name: string])[] = [
  ['head', 'head'],
  ['classifier', 'head'],
  ['cls_classifier', 'head'],
  ['heads.head', 'head'],
  ['head.layers.head', 'head'],
  ['head.fc', 'head'],
  ['fc', 'head'],
  ['head_dist', 'head_dist'],
  ['distillation_classifier', 'head_dist'],
  ['pooler.dense', 'pooler.dense'],
];
