/**
 * `config.json` of Hugging Face transformers for the ViT family: `ViTConfig`, `DeiTConfig`,
 * `ViTMAEConfig`.
 */
import * as v from 'valibot';
import { blockCount, checkConfiguration, positiveInteger, unsupported } from '../../checkpoints/configuration-check.ts';
import { isJsonObject } from '../../checkpoints/json-object.ts';
import { absent, checkMembers, harmless, ignoredMembers, read } from '../../checkpoints/member-table.ts';
import type { MemberTable } from '../../checkpoints/member-table.ts';
import { DiffrateError, quoted } from '../../errors.ts';
import type { ConfigurationFile, DeclaredNetwork } from '../family.ts';
import { checkQkvBias, huggingFaceActivations, problemOf, problemType } from './architecture-words.ts';
import { declaredVisionTransformer } from './checkpoint.ts';
import { usualVisionTransformer } from './configuration.ts';
import type { VisionTransformerConfiguration } from './configuration.ts';
import { timmMember } from './hub-configuration.ts';

/** Values of `model_type`. */
const modelTypes: readonly unknown[] = ['vit', 'deit', 'vit_mae'];

/** A side in pixels, or `[height, width]`. */
const side = v.union([positiveInteger, v.strictTuple([positiveInteger, positiveInteger])]);

const schema = v.object({
  model_type: v.string(),
  image_size: side,
  patch_size: side,
  hidden_size: positiveInteger,
  num_hidden_layers: blockCount,
  num_attention_heads: positiveInteger,
  intermediate_size: positiveInteger,
  layer_norm_eps: v.pipe(v.number(), v.minValue(0, 'at least 0')),
  hidden_act: v.nullish(v.string(), 'gelu'),
  num_channels: v.nullish(positiveInteger, 3),
  qkv_bias: v.nullish(v.boolean()),
  problem_type: problemType,
  pooler_act: v.nullish(v.string(), 'tanh'),
  pooler_output_size: v.nullish(positiveInteger),
  [timmMember]: v.optional(
    v.strictObject({
      class_token: v.optional(v.boolean(), true),
      global_pool: v.optional(v.picklist(['token', 'avg'])),
      fc_norm: v.optional(v.boolean()),
    }),
  ),
});

/** Every member that `ViTConfig`, `DeiTConfig`, `ViTMAEConfig` and their base class have. */
const members: MemberTable = {
  ...read('model_type', 'image_size', 'patch_size', 'hidden_size', 'num_hidden_layers', 'num_attention_heads'),
  ...read('intermediate_size', 'layer_norm_eps', 'hidden_act', 'num_channels', 'qkv_bias', 'problem_type'),
  ...read('pooler_act', 'pooler_output_size', timmMember, 'diffrate', 'id2label'),
  ...harmless('training only', 'hidden_dropout_prob', 'attention_probs_dropout_prob', 'drop_path_rate'),
  ...harmless('training only', 'initializer_range', 'initializer_factor', 'classifier_dropout', 'mask_ratio'),
  ...harmless('training only', 'norm_pix_loss', 'use_mask_token', 'gradient_checkpointing', 'finetuning_task'),
  ...harmless('of the decoder', 'encoder_stride', 'decoder_hidden_size', 'decoder_intermediate_size'),
  ...harmless('of the decoder', 'decoder_num_attention_heads', 'decoder_num_hidden_layers'),
  ...harmless('says who wrote it', 'transformers_version', 'architectures', 'auto_map', 'transformers.js_config'),
  ...harmless('the checkpoint says it', 'torch_dtype', 'dtype', 'num_labels', 'label2id', 'tf_legacy_loss'),
  ...harmless('how it is run', 'attn_implementation', 'torchscript', 'use_cache', 'return_dict', 'use_return_dict'),
  ...harmless('how it is run', 'output_attentions', 'output_hidden_states', 'chunk_size_feed_forward'),
  ...harmless('positions are as many as the input has', 'interpolate_pos_encoding'),
  ...harmless('of language models', 'tie_word_embeddings', 'is_encoder_decoder', 'is_decoder', 'prefix'),
  ...harmless('of language models', 'tie_encoder_decoder', 'add_cross_attention', 'cross_attention_hidden_size'),
  ...harmless('of language models', 'task_specific_params', 'tokenizer_class', 'vocab_size', 'use_bfloat16'),
  ...harmless('of language models', 'bos_token_id', 'eos_token_id', 'pad_token_id', 'sep_token_id'),
  ...harmless('of language models', 'decoder_start_token_id', 'temperature', 'top_k', 'top_p', 'typical_p'),
  ...harmless('of language models', 'do_sample', 'early_stopping', 'max_length', 'min_length', 'num_beams'),
  ...harmless('of language models', 'num_beam_groups', 'num_return_sequences', 'no_repeat_ngram_size'),
  ...harmless('of language models', 'encoder_no_repeat_ngram_size', 'length_penalty', 'repetition_penalty'),
  ...harmless('of language models', 'diversity_penalty', 'bad_words_ids', 'begin_suppress_tokens'),
  ...harmless('of language models', 'suppress_tokens', 'exponential_decay_length_penalty', 'output_scores'),
  ...harmless('of language models', 'forced_bos_token_id', 'forced_eos_token_id', 'remove_invalid_values'),
  ...harmless('of language models', 'return_dict_in_generate'),
  // A network with fewer heads in some blocks, or weights that are no numbers by themselves.
  ...absent('pruned_heads', 'quantization_config', 'compression_config'),
};

/**
 * The network that a `config.json` declares; `undefined` where it is of another family.
 * @throws {DiffrateError} where a member is missing or asks for something unsupported.
 */
export function fromHuggingFace(configuration: ConfigurationFile): DeclaredNetwork | undefined {
  const { json, file, weights } = configuration;
  const { model_type: type } = json;
  if (!modelTypes.includes(type)) {
    rejectNearMiss(type, file);
    return undefined;
  }
  const ignored = checkMembers(members, json, file);
  const declared = checkConfiguration(schema, json, file);
  const { hidden_size: width, num_attention_heads: heads, image_size: size } = declared;
  if (width % heads !== 0) {
    throw new DiffrateError(
      `${file}: "hidden_size" ${width} is not divisible by "num_attention_heads" ${heads}: download the file again.`,
    );
  }
  if (declared.num_channels !== 1 && declared.num_channels !== 3)
    throw unsupported(file, 'num_channels', declared.num_channels, '1 (grey) and 3 (RGB)');
  checkQkvBias(configuration, 'qkv_bias', declared.qkv_bias);
  if (weights.has('pooler.dense.weight')) checkPooler(declared, file);
  const [inputHeight, inputWidth] = typeof size === 'number' ? [size, size] : size;
  return declaredVisionTransformer(
    {
      ...usualVisionTransformer,
      inputSize: { height: inputHeight, width: inputWidth },
      channels: declared.num_channels,
      patchSize: squareSide(declared.patch_size, 'patch_size', file),
      width,
      depth: declared.num_hidden_layers,
      heads,
      hiddenWidth: declared.intermediate_size,
      activation: huggingFaceActivations.of(declared.hidden_act, 'hidden_act', file),
      // The checkpoint says how many; where it has none, whoever promised some is told.
      classes: promisesClasses(json) ? 1 : 0,
      problem: problemOf(declared.problem_type),
      ...poolingOf(declared),
      layerNormEpsilon: declared.layer_norm_eps,
    },
    ignoredMembers(file, ignored),
  );
}

type Declared = v.InferOutput<typeof schema>;

/** transformers reads the class token, and encoders of MAE are read by the mean of patches. */
function poolingOf(declared: Declared): Pick<VisionTransformerConfiguration, 'pool' | 'lastNorm' | 'prefixTokens'> {
  const {
    class_token: hasClassToken,
    global_pool: pool,
    fc_norm: norm,
  } = declared[timmMember] ?? { class_token: true };
  const isMean = pool === undefined ? declared.model_type === 'vit_mae' : pool === 'avg';
  return {
    pool: isMean ? 'mean' : 'class-token',
    prefixTokens: hasClassToken ? usualVisionTransformer.prefixTokens : [],
    ...(norm === undefined ? {} : { lastNorm: norm ? 'fc_norm' : 'norm' }),
  };
}

/** Only encoders without a head have their pooler read, which is `tanh(W·x + b)`. */
function checkPooler(declared: Declared, file: string): void {
  const { pooler_act: activation, pooler_output_size: width = declared.hidden_size, hidden_size: own } = declared;
  if (activation !== 'tanh') throw unsupported(file, 'pooler_act', activation, '"tanh"');
  if (width !== null && width !== own) throw unsupported(file, 'pooler_output_size', width, `"hidden_size" (${own})`);
}

/** `ViT` or `vit-mae` is a slip, as transformers knows only the exact names. */
function rejectNearMiss(type: unknown, file: string): void {
  if (type === undefined) return;
  const known = modelTypes.map(quoted).join(', ');
  if (typeof type !== 'string') {
    throw new DiffrateError(
      `${file}: "model_type" is ${isJsonObject(type) || Array.isArray(type) ? 'no name' : quoted(type)}, but only ${known} are supported: download the file again.`,
    );
  }
  const near = modelTypes.find((name) => name === type.trim().toLowerCase().replaceAll(/[- ]/g, '_'));
  if (near === undefined) return;
  throw new DiffrateError(
    `${file}: "model_type" is ${quoted(type)}, which transformers does not know; it knows ${quoted(near)}: download the file again.`,
  );
}

/** Whether the file is that of a classifier: by its class in Python, or by its labels. */
function promisesClasses({ architectures, id2label }: ConfigurationFile['json']): boolean {
  const isClassifier = (name: unknown): boolean => typeof name === 'string' && name.endsWith('ForImageClassification');
  return (Array.isArray(architectures) && architectures.some(isClassifier)) || (id2label ?? undefined) !== undefined;
}

function squareSide(size: number | readonly [number, number], member: string, file: string): number {
  if (typeof size === 'number') return size;
  if (size[0] === size[1]) return size[0];
  throw new DiffrateError(
    `${file}: "${member}" is ${size[0]}×${size[1]}, but only squares are supported: use a model with square patches.`,
  );
}
