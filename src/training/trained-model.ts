/**
 * Writes a trained network as a model folder that `loadModel` loads: `model.safetensors` with the
 * names that `config.json` promises (transformers' for its ViT, else canonical ones),
 * `config.json`, `preprocessor_config.json`, the training's log, and the schedule or method that it
 * was trained with.
 */
import { basename, join, resolve } from 'node:path';
import { huggingFaceWeights } from '../checkpoints/hugging-face-names.ts';
import { safetensorsLayout } from '../checkpoints/safetensors.ts';
import { float32Values } from '../checkpoints/weights.ts';
import { countFlops, flopsPerGflop } from '../cost/flops.ts';
import type { Weights, WeightTensor } from '../checkpoints/weights.ts';
import { float16Bits } from '../checkpoints/float16.ts';
import { diffrateMember, modelConfiguration, preprocessorConfiguration } from '../exporting/model-configuration.ts';
import { checkTarget, readJsonIfThere, writeFolder } from '../files/staged-folder.ts';
import type { FolderFile, FolderKind } from '../files/staged-folder.ts';
import type { Labels } from '../loading/labels.ts';
import type { Preprocessing } from '../data/preprocessing.ts';
import type { Network } from '../networks/network.ts';
import { parametersFromWeights } from '../networks/parameters.ts';
import { objectiveFor } from '../objectives/registry.ts';
import { learnedPrefix } from '../reduction/methods/learned.ts';
import { tokensOf } from '../reduction/network-shape.ts';
import { effectiveSchedule, serializeSchedule } from '../reduction/schedule.ts';
import type { Schedule } from '../reduction/schedule.ts';
import { weightsOf } from './trained-parameters.ts';
import type { ParameterLayout } from './trained-parameters.ts';
import { distanceColumn, logText } from './training-log.ts';
import type { TrainingLogRow } from './training-log.ts';

/** Precisions of the weights file. */
export const weightDtypes = ['fp32', 'fp16'] as const;

/** `fp16` halves the file; the weights are rounded. */
export type WeightDtype = (typeof weightDtypes)[number];

/** What to write. */
export interface TrainedModel {
  readonly directory: string;
  readonly name: string;
  readonly network: Network;
  readonly preprocessing: Preprocessing;
  readonly labels: Labels | undefined;
  readonly layout: ParameterLayout;
  /** Weights in that layout. */
  readonly weights: Float32Array;
  readonly dtype: WeightDtype;
  readonly rows: readonly TrainingLogRow[];
  /** Kept numbers that the network was trained with. */
  readonly schedule?: Schedule | undefined;
  /** Name of the method that the network was trained for, with its settings. */
  readonly method?: string | undefined;
}

const folderKind: FolderKind = {
  foreign: ['config.json', 'model.safetensors', 'preprocessor_config.json', 'README.md', 'onnx', '.git'],
  isOurs: async (folder) => (await readJsonIfThere(join(folder, 'config.json')))?.[diffrateMember] !== undefined,
  replaced: ['schedule.json'],
  kept: [{ path: 'onnx', is: 'an exported network, of which this one would take the place' }],
};

/**
 * Checks before long work that a model could be written there, as far as can be told without
 * writing.
 * @throws {DiffrateError} where the folder holds something that is not ours to replace.
 */
export async function checkTrainedModelDirectory(directory: string): Promise<void> {
  await checkTarget(directory, folderKind);
}

/**
 * Writes the folder, as a whole or not at all.
 * @returns paths and sizes of its files.
 * @throws {DiffrateError} where it cannot be written.
 */
export async function writeTrainedModel(model: TrainedModel): Promise<{ path: string; bytes: number }[]> {
  const { directory, name, network, preprocessing, labels, layout, weights, dtype, rows, schedule, method } = model;
  const named = weightsOf(layout, weights);
  const loaded = {
    name,
    network,
    preprocessing,
    parameters: parametersFromWeights(named, name),
    labels,
    parameterCount: layout.length,
    source: name,
    trainedMethod: method,
    warnings: [],
  };
  const facts = { defaultDtype: 'fp32', externalDataFiles: [], kept: undefined } as const;
  const config = { ...modelConfiguration(loaded, facts), ...network.checkpointConfiguration };
  const stored = config['model_type'] === 'vit' ? (huggingFaceWeights(named, learnedPrefix) ?? named) : named;
  const { header, tensors } = safetensorsLayout(dtype === 'fp16' ? inHalfPrecision(stored) : stored, { format: 'pt' });
  const files: FolderFile[] = [
    { path: 'model.safetensors', content: [header, ...tensors.map(({ bytes }) => bytes)] },
    { path: 'training.csv', content: logText(rows, distanceColumn(objectiveFor(network.answers))) },
    ...(schedule === undefined
      ? []
      : [{ path: 'schedule.json', content: serializeSchedule(ownSchedule(schedule, network, directory)) }]),
    { path: 'preprocessor_config.json', content: jsonText(preprocessorConfiguration(preprocessing)) },
    { path: 'config.json', content: jsonText(config) },
  ];
  await writeFolder(directory, files, folderKind);
  return files.map(({ path, content }) => ({
    path,
    bytes:
      typeof content === 'string'
        ? Buffer.byteLength(content)
        : content.reduce((sum, chunk) => sum + chunk.byteLength, 0),
  }));
}

/**
 * The schedule now belongs to the network in this folder, which goes by the folder's name.
 * Its numbers no longer rise: commands take no file in which they do.
 */
function ownSchedule(schedule: Schedule, network: Network, directory: string): Schedule {
  const { target, createdBy, inputSize, ...kept } = effectiveSchedule(schedule, tokensOf(network));
  const gflops = Number((countFlops(network, schedule).total / flopsPerGflop).toPrecision(6));
  return { ...kept, model: basename(resolve(directory)), inputSize, gflops, target, createdBy };
}

function inHalfPrecision(weights: Weights): Weights {
  return new Map(
    [...weights].map(([name, tensor]): [string, WeightTensor] => {
      const bits = float16Bits(float32Values(tensor));
      return [name, { ...tensor, type: 'float16', bytes: new Uint8Array(bits.buffer) }];
    }),
  );
}

const jsonText = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;
