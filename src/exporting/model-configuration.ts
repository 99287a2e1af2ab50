/**
 * `config.json` and `preprocessor_config.json` of an exported folder, in the form of Hugging Face's `ViTForImageClassification`,
 * which transformers.js's image-classification pipeline reads.
 */
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { Preprocessing } from '../models/configuration.ts';
import type { LoadedModel } from '../loading/load-model.ts';
import type { ExportDtype } from './precision.ts';

/** The member of `config.json` by which a folder is known as one that diffrate wrote. */
export const diffrateMember = 'diffrate';

/** What `config.json` says beside the network's sizes. */
export interface ExportFacts {
  /** Precision that loads when none is asked for. */
  readonly defaultDtype: ExportDtype;
  /** Names of ONNX files that have external data beside them. */
  readonly externalDataFiles: readonly string[];
  /** Kept numbers per block, if tokens are removed. */
  readonly kept: KeptNumbers | undefined;
  /** A method in place of kept numbers, and the tokens after each block. */
  readonly method?: { readonly method: string; readonly tokensPerBlock: readonly number[] } | undefined;
}

/** Class names of all classes; those that nobody named are `LABEL_0`, … as in transformers. */
function labelsOf({ configuration, labels }: LoadedModel): string[] {
  return Array.from({ length: configuration.classes }, (_, index) => labels?.[index] ?? `LABEL_${index}`);
}

/** `config.json` as an object. An encoder without a head is a `ViTModel`. */
export function modelConfiguration(model: LoadedModel, facts: ExportFacts): Record<string, unknown> {
  const { configuration, name, source, trainedMethod } = model;
  const labels = labelsOf(model);
  const external = Object.fromEntries(facts.externalDataFiles.map((file) => [file, 1]));
  return {
    model_type: 'vit',
    architectures: [configuration.classes > 0 ? 'ViTForImageClassification' : 'ViTModel'],
    image_size: configuration.inputSize,
    patch_size: configuration.patchSize,
    num_channels: 3,
    hidden_size: configuration.width,
    num_hidden_layers: configuration.depth,
    num_attention_heads: configuration.heads,
    intermediate_size: configuration.hiddenWidth,
    hidden_act: 'gelu',
    layer_norm_eps: configuration.layerNormEpsilon,
    qkv_bias: model.parameters.has('blocks.0.attn.qkv.bias'),
    ...(labels.length === 0
      ? {}
      : {
          id2label: Object.fromEntries(labels.map((label, index) => [index, label])),
          label2id: Object.fromEntries(labels.map((label, index) => [label, index])),
        }),
    'transformers.js_config': {
      dtype: facts.defaultDtype,
      ...(facts.externalDataFiles.length === 0 ? {} : { use_external_data_format: external }),
    },
    [diffrateMember]: {
      model: name,
      source,
      pool: configuration.pool,
      // `loadModel` reads it back.
      ...(trainedMethod === undefined ? {} : { trainedMethod }),
      ...facts.kept,
      ...facts.method,
    },
  };
}

/** PIL's numbers of filters, as `resample` wants them. */
const resampleNumbers = { bilinear: 2, bicubic: 3 } as const;

/** `preprocessor_config.json` as an object. */
export function preprocessorConfiguration(preprocessing: Preprocessing): Record<string, unknown> {
  const { resizeShortSide, resizeMode, cropSize, interpolation, mean, std } = preprocessing;
  const isSquare = resizeMode === 'square';
  const crops = !isSquare || resizeShortSide !== cropSize;
  return {
    image_processor_type: crops ? 'DeiTImageProcessor' : 'ViTImageProcessor',
    do_resize: true,
    size: isSquare ? { height: resizeShortSide, width: resizeShortSide } : { shortest_edge: resizeShortSide },
    resample: resampleNumbers[interpolation],
    do_center_crop: crops,
    ...(crops ? { crop_size: { height: cropSize, width: cropSize } } : {}),
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
  };
}
