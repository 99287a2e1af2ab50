/**
 * `config.json` and `preprocessor_config.json` of an exported folder, as Hugging Face transformers
 * have them and transformers.js's pipelines for image classification and image features read them.
 */
import type { KeptNumbers } from '../reduction/schedule.ts';
import { isGrey, isSquare } from '../data/preprocessing.ts';
import type { Preprocessing } from '../data/preprocessing.ts';
import type { LoadedModel } from '../loading/model-from-files.ts';
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

/**
 * Names of all outputs of the head; those that nobody named are `LABEL_0`, … as in transformers.
 * Features have no names.
 */
function labelsOf({ network, labels }: LoadedModel): string[] {
  const { kind, size } = network.answers;
  return kind === 'features' ? [] : Array.from({ length: size }, (_, index) => labels?.[index] ?? `LABEL_${index}`);
}

/**
 * `config.json` as an object: what the family says that the network is, names of its outputs, and
 * what diffrate knows beside.
 */
export function modelConfiguration(model: LoadedModel, facts: ExportFacts): Record<string, unknown> {
  const { network, parameters, name, source, trainedMethod } = model;
  const labels = labelsOf(model);
  const external = Object.fromEntries(facts.externalDataFiles.map((file) => [file, 1]));
  return {
    ...network.hubConfiguration(parameters.has),
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
      // `loadModel` reads it back.
      ...(trainedMethod === undefined ? {} : { trainedMethod }),
      ...facts.kept,
      ...facts.method,
    },
  };
}

/** PIL's numbers of filters, as `resample` wants them. */
const resampleNumbers = { bilinear: 2, bicubic: 3 } as const;

/**
 * `preprocessor_config.json` as an object, which `preprocessingFromProcessor` reads back.
 * transformers has no words for covering unequal sides. Then the file says so in a member of its
 * own, and for others gives the longer of them as shortest edge: images keep their ratio and cover
 * the crop, some at a larger scale. Where a network reads one channel, transformers.js wants grey
 * images, and says so of others.
 */
export function preprocessorConfiguration(preprocessing: Preprocessing): Record<string, unknown> {
  const { resize, resizeMode, crop, interpolation, mean, std } = preprocessing;
  const stretches = resizeMode === 'stretch';
  const crops = !stretches || resize.height !== crop.height || resize.width !== crop.width;
  const { height, width } = resize;
  return {
    image_processor_type: crops ? 'DeiTImageProcessor' : 'ViTImageProcessor',
    do_resize: true,
    size: stretches ? { height, width } : { shortest_edge: Math.max(height, width) },
    resample: resampleNumbers[interpolation],
    do_center_crop: crops,
    ...(crops ? { crop_size: { height: crop.height, width: crop.width } } : {}),
    // transformers.js makes images RGB unless it is told not to; grey ones stay as they are.
    ...(isGrey(preprocessing) ? { do_convert_rgb: false, do_convert_grayscale: true } : {}),
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
    ...(stretches || isSquare(resize) ? {} : { [diffrateMember]: { cover: { height, width } } }),
  };
}
