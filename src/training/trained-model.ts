/**
 * Writes a trained network as a model folder that `loadModel` loads: `model.safetensors` with timm's names, `config.json`,
 * `preprocessor_config.json`, the training's log, and the schedule or method that it was trained with.
 */
import { basename, join, resolve } from 'node:path';
import { safetensorsLayout } from '../checkpoints/safetensors.ts';
import { float32Values } from '../checkpoints/weights.ts';
import { countFlops } from '../cost/flops.ts';
import type { Weights, WeightTensor } from '../checkpoints/weights.ts';
import { float16Bits } from '../exporting/float16.ts';
import { diffrateMember, modelConfiguration, preprocessorConfiguration } from '../exporting/model-configuration.ts';
import { checkTarget, readJsonIfThere, writeFolder } from '../files/staged-folder.ts';
import type { FolderFile, FolderKind } from '../files/staged-folder.ts';
import type { Labels } from '../loading/labels.ts';
import { tokenCount } from '../models/configuration.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import { parametersFromWeights } from '../models/parameters.ts';
import { effectiveSchedule, serializeSchedule } from '../reduction/schedule.ts';
import type { Schedule } from '../reduction/schedule.ts';
import { weightsOf } from './trained-parameters.ts';
import type { ParameterLayout } from './trained-parameters.ts';
import { logText } from './training-log.ts';
import type { TrainingLogRow } from './training-log.ts';

/** Precisions of the weights file. */
export const weightDtypes = ['fp32', 'fp16'] as const;

/** `fp16` halves the file; the weights are rounded. */
export type WeightDtype = (typeof weightDtypes)[number];

/** What to write. */
export interface TrainedModel {
  readonly directory: string;
  readonly name: string;
  readonly configuration: VisionTransformerConfiguration;
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
 * Checks before long work that a model could be written there, as far as can be told without writing.
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
  const { directory, name, configuration, labels, layout, weights, dtype, rows, schedule, method } = model;
  const named = weightsOf(layout, weights);
  const { header, tensors } = safetensorsLayout(dtype === 'fp16' ? inHalfPrecision(named) : named, { format: 'pt' });
  const loaded = {
    name,
    configuration,
    parameters: parametersFromWeights(named, name),
    labels,
    parameterCount: layout.length,
    source: name,
    trainedMethod: method,
    warnings: [],
  };
  const config = modelConfiguration(loaded, { defaultDtype: 'fp32', externalDataFiles: [], kept: undefined });
  const files: FolderFile[] = [
    { path: 'model.safetensors', content: [header, ...tensors.map(({ bytes }) => bytes)] },
    { path: 'training.csv', content: logText(rows) },
    ...(schedule === undefined
      ? []
      : [{ path: 'schedule.json', content: serializeSchedule(ownSchedule(schedule, configuration, directory)) }]),
    { path: 'preprocessor_config.json', content: jsonText(preprocessorConfiguration(configuration.preprocessing)) },
    // Mean pooling is what Hugging Face's MAE encoders are read with.
    {
      path: 'config.json',
      content: jsonText({ ...config, ...(configuration.pool === 'mean' && { model_type: 'vit_mae' }) }),
    },
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

/** The schedule now belongs to the network in this folder, which goes by the folder's name; commands take none from a file that rises. */
function ownSchedule(schedule: Schedule, configuration: VisionTransformerConfiguration, directory: string): Schedule {
  const { target, createdBy, inputSize, ...kept } = effectiveSchedule(schedule, tokenCount(configuration));
  const gflops = Number((countFlops(configuration, schedule).total / 1e9).toPrecision(6));
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
