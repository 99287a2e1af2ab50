/** Targets: tables of labels, configuration files, schedules. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeSafetensors } from '../../../src/checkpoints/safetensors.ts';
import { imageLine } from '../../../src/data/labels/describe-labels.ts';
import { resolveLabels } from '../../../src/data/labels/resolve-labels.ts';
import { openImages } from '../../../src/data/open-images.ts';
import { readScheduleFile } from '../../../src/exporting/schedule-file.ts';
import { loadModel } from '../../../src/loading/load-model.ts';
import { dissimilarity } from '../../../src/reduction/selection.ts';
import { validateSchedule } from '../../../src/reduction/validate-schedule.ts';
import { smallNetwork, smallWeights, tinySizes } from '../../small-networks.ts';
import { huggingFaceConfiguration } from './tiny-configuration.ts';
import { requireSentence } from '../sentence.ts';
import { slowShare } from '../target.ts';
import type { FuzzTarget } from '../target.ts';

const texts = (...lines: readonly string[]): Promise<Uint8Array[]> =>
  Promise.resolve(lines.map((text) => new Uint8Array(Buffer.from(text))));

/** Listed and not decoded. */
const listed = ['a.png', 'b.png', 'c.png', 'über.png', 'sub/d.png'];
const classes = { count: 3, names: { 0: 'cat', 1: 'a "dog"', 2: 'bird, Aves' } };
const openingBrace = '{'.charCodeAt(0);

/** `labels.csv` of a folder with some images. */
export const labels: FuzzTarget = {
  name: 'labels',
  seeds: () =>
    texts(
      'file,label\na.png,0\nb.png,1\nc.png,2\n',
      'filename;class\r\na.png;cat\r\n"b.png";"a ""dog"""\r\n',
      'sep=,\n# made by hand\nlabel\tfile_name\n3\tsub\\d.png\n',
      '\ufefffile,label\nüber.png,12\n',
      'a.png,0\nb.png,1\n',
      '{"file_name":"a.png","label":2}\n{"file_name":"b.png","label":"cat"}\n',
    ),
  prepare: async (folder) => {
    await mkdir(join(folder, 'sub'));
    await Promise.all(listed.map((name) => writeFile(join(folder, name), new Uint8Array(1))));
  },
  run: async (bytes, folder) => {
    // Tables of both kinds; only one at a time is there.
    const isJsonLines = bytes[0] === openingBrace;
    const [table, other] = isJsonLines ? ['metadata.jsonl', 'labels.csv'] : ['labels.csv', 'metadata.jsonl'];
    await rm(join(folder, other), { force: true });
    await writeFile(join(folder, table), bytes);
    const source = resolveLabels(await openImages(folder, { onWarning: requireSentence }), classes, {
      onWarning: requireSentence,
    });
    requireSentence(imageLine(source));
    if (source.images.length > listed.length) throw new Error('an image is listed twice');
  },
};

const network = smallNetwork({ ...tinySizes, depth: 1 });
const scheduled = smallNetwork(tinySizes);

const timm = {
  architecture: 'vit_tiny_patch16_224',
  num_classes: 3,
  global_pool: 'token',
  model_args: { img_size: 6, patch_size: 2, num_heads: 2, act_layer: 'gelu' },
  pretrained_cfg: { input_size: [3, 6, 6], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], crop_pct: 1 },
  label_names: ['a', 'b', 'c'],
};

const openClip = {
  model_cfg: { embed_dim: 6, vision_cfg: { timm_model_name: 'vit_tiny_patch16_224', image_size: 6 } },
  preprocess_cfg: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], interpolation: 'bicubic' },
};

/** `config.json` of a model folder with sound weights. */
export const configuration: FuzzTarget = {
  name: 'configuration',
  json: true,
  share: slowShare,
  seeds: () => texts(...[huggingFaceConfiguration, timm, openClip].map((value) => JSON.stringify(value))),
  prepare: (folder) => writeFile(join(folder, 'model.safetensors'), encodeSafetensors(smallWeights(network))),
  run: async (bytes, folder) => {
    await writeFile(join(folder, 'config.json'), bytes);
    const { warnings } = await loadModel(folder);
    for (const warning of warnings) requireSentence(warning);
  },
};

const processor = {
  image_processor_type: 'ViTImageProcessor',
  do_resize: true,
  size: { height: 6, width: 6 },
  resample: 2,
  do_center_crop: false,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
};

/** `preprocessor_config.json` of a sound model folder. */
export const preprocessor: FuzzTarget = {
  name: 'preprocessor',
  json: true,
  share: slowShare,
  seeds: () =>
    texts(
      JSON.stringify(processor),
      JSON.stringify({ ...processor, size: { shortest_edge: 8 }, do_center_crop: true, crop_size: 6 }),
    ),
  prepare: async (folder) => {
    await configuration.prepare?.(folder);
    await writeFile(join(folder, 'config.json'), JSON.stringify(huggingFaceConfiguration));
  },
  run: async (bytes, folder) => {
    await writeFile(join(folder, 'preprocessor_config.json'), bytes);
    await loadModel(folder);
  },
};

const schedules = [
  { model: 'small', inputSize: 6, pruneKept: [10, 8, 6], mergeKept: [10, 7, 5], gflops: 1, target: 1, createdBy: 'x' },
  {
    model: 'small',
    inputSize: [6, 6],
    pruneKept: [10, 10, 10],
    mergeKept: [10, 8, 8],
    merging: 'count',
    gflops: 0.5,
    target: 0.5,
    createdBy: 'diffrate',
  },
  {
    model: 'small',
    inputSize: 6,
    pruneKept: [10, 9, 7],
    mergeKept: [9, 7, 4],
    merging: 'patches',
    selection: dissimilarity,
    gflops: 0.5,
    target: '12ms',
    createdBy: 'diffrate',
  },
];

/** `schedule.json`, compared with a network. */
export const schedule: FuzzTarget = {
  name: 'schedule',
  json: true,
  seeds: () => texts(...schedules.map((value) => JSON.stringify(value, null, 2))),
  run: async (bytes, folder) => {
    const file = join(folder, 'schedule.json');
    await writeFile(file, bytes);
    validateSchedule(await readScheduleFile(file), { ...scheduled, model: 'small' }, { source: file });
  },
};
