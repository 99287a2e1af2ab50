/**
 * Exports a network as a model folder that transformers.js, onnxruntime-node and onnxruntime-web
 * load: ONNX files in several precisions, configurations, the schedule and a model card.
 */
import { join } from 'node:path';
import { countFlops, flopsPerGflop } from '../cost/flops.ts';
import { DiffrateError, UsageError } from '../errors.ts';
import type { Measured } from '../evaluation/measurements.ts';
import { networkModel } from '../execution/network-session.ts';
import type { LoadedModel } from '../loading/model-from-files.ts';
import { namedShape } from '../networks/model.ts';
import { requireKnownOptions } from '../options/known-options.ts';
import type { OptionNames } from '../options/known-options.ts';
import type { OnnxModel } from '../onnx/model.ts';
import { encodeModel } from '../onnx/write.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import type { NamedMethod } from '../reduction/methods/registry.ts';
import { effectiveSchedule, serializeSchedule } from '../reduction/schedule.ts';
import type { KeptNumbers, Schedule } from '../reduction/schedule.ts';
import { tokenCount } from '../reduction/token-layout.ts';
import { validateSchedule } from '../reduction/validate-schedule.ts';
import { correctedModel, correctionFileName, encodeCorrection } from './correction-file.ts';
import type { Correction } from './correction-file.ts';
import { toHalfPrecision } from './half-precision.ts';
import { modelCard } from './model-card.ts';
import { diffrateMember, modelConfiguration, preprocessorConfiguration } from './model-configuration.ts';
import { exportDtypes, modelFileName } from './precision.ts';
import type { ExportDtype } from './precision.ts';
import { quantizeDynamically } from './quantization.ts';
import { withFolderLockIn } from '../files/folder-lock.ts';
import { checkTarget, readJsonIfThere, writeFolder } from '../files/staged-folder.ts';
import type { FileContent, FileWriter, FolderFile, FolderKind } from '../files/staged-folder.ts';

/** What to export, and where to. */
export interface ExportOptions {
  readonly model: LoadedModel;
  /** Kept numbers to fix in the graph; without one the network is exported as it is. */
  readonly schedule?: Schedule | undefined;
  /** Parameters that were trained for this schedule, in place of the model's. */
  readonly correction?: Correction | undefined;
  /** A method with static token numbers, in place of a schedule. */
  readonly method?: NamedMethod | undefined;
  /**
   * The folder to write. One that is there must have no files of a model (config.json, README.md,
   * onnx, …), whose other files stay, or be one that diffrate wrote (then its model files
   * are replaced).
   */
  readonly directory: string;
  /** Precisions; the first one is what loads by default. Default: `fp32` alone. */
  readonly dtypes?: readonly ExportDtype[] | undefined;
  /** Figures for the model card. */
  readonly measured?: Measured | undefined;
  /**
   * Weights of more bytes than this go to an external data file. Default and maximum 1.9e9, below
   * protobuf's limit.
   */
  readonly externalDataAbove?: number | undefined;
  /** Writes one file; for tests of failures. */
  readonly write?: FileWriter | undefined;
}

const exportOptionNames: OptionNames<ExportOptions> = {
  model: true,
  schedule: true,
  correction: true,
  method: true,
  directory: true,
  dtypes: true,
  measured: true,
  externalDataAbove: true,
  write: true,
};

/** A file that was written. */
export interface ExportedFile {
  /** Path in the folder. */
  readonly path: string;
  readonly bytes: number;
}

/** What was written. */
export interface ExportedModel {
  readonly directory: string;
  readonly files: readonly ExportedFile[];
  /** The schedule as written, its cost counted for this network. */
  readonly schedule: Schedule | undefined;
  /** Sentences for the user: at present, that the schedule was learnt for another network. */
  readonly warnings: readonly string[];
}

const largestInlineBytes = 1.9e9;

const conversions: Readonly<Record<ExportDtype, (model: OnnxModel) => OnnxModel>> = {
  fp32: (model) => model,
  fp16: toHalfPrecision,
  q8: quantizeDynamically,
};

const folderKind: FolderKind = {
  foreign: ['config.json', 'preprocessor_config.json', 'README.md', 'onnx', '.git'],
  isOurs: async (folder) => (await readJsonIfThere(join(folder, 'config.json')))?.[diffrateMember] !== undefined,
  replaced: [
    'schedule.json',
    correctionFileName,
    // Of the network that was there before.
    'report.html',
    ...exportDtypes.flatMap((dtype) => [`onnx/${modelFileName(dtype)}`, `onnx/${modelFileName(dtype)}_data`]),
  ],
  kept: [{ path: 'model.safetensors', is: 'a trained network, which could not be loaded any more' }],
};

/**
 * Checks before long work that a model could be exported there, as far as can be told without
 * writing.
 * @throws {DiffrateError} where the folder holds something that is not ours to replace.
 */
export async function checkExportDirectory(directory: string): Promise<void> {
  await checkTarget(directory, folderKind);
}

/**
 * Exports a network as a model folder. Kept numbers are static, the batch is free: input
 * `pixel_values [batch, channels, height, width]`, outputs as the network names them:
 * `logits [batch, classes]`, or `last_hidden_state [batch, 1, C]` and `pooler_output [batch, C]`.
 * @throws {DiffrateError} where the schedule or the correction does not fit the network, the
 *   method keeps another number of tokens for each image, or the folder cannot be written or is
 *   being written by another process; nothing is then left behind.
 */
export async function exportModel(options: ExportOptions): Promise<ExportedModel> {
  requireKnownOptions(options, exportOptionNames, 'export');
  return withFolderLockIn(options.directory, () => writeModelFolder(options));
}

/**
 * The same for who holds the folder's lock already.
 * @throws {DiffrateError} as that does.
 */
export async function writeModelFolder(options: ExportOptions): Promise<ExportedModel> {
  const { model, directory, measured, method, correction } = options;
  if (method !== undefined && options.schedule !== undefined)
    throw new UsageError('Export a schedule or a method, not both.');
  if (correction !== undefined && options.schedule === undefined)
    throw new UsageError('A correction is for one schedule: export that as well.');
  if (method !== undefined) requireStatic(method);
  const dtypes = checkedDtypes(options.dtypes);
  const { network } = model;
  const warnings =
    options.schedule === undefined
      ? []
      : validateSchedule(options.schedule, namedShape(network, model.name), { allowRising: true });
  const schedule = options.schedule && withCost(effectiveSchedule(options.schedule, tokenCount(network.layout)), model);
  const reducer = method?.reducer ?? (schedule && diffRate(schedule, network));
  const built = schedule && correction ? await correctedModel(model, schedule, correction) : model;
  const graph = withMetadata(networkModel(built, reducer), options, schedule);

  const limit = Math.min(options.externalDataAbove ?? largestInlineBytes, largestInlineBytes);
  const models = dtypes.map((dtype) => modelFiles(conversions[dtype](graph), modelFileName(dtype), limit));
  const externalDataFiles = dtypes.map(modelFileName).filter((_, index) => (models[index]?.length ?? 0) > 1);
  const [defaultDtype = 'fp32'] = dtypes;
  const config = modelConfiguration(model, {
    defaultDtype,
    externalDataFiles,
    kept: schedule && keptNumbers(schedule),
    method: method && { method: method.name, tokensPerBlock: method.tokensPerBlock },
  });
  const files: FolderFile[] = [
    ...models.flat(),
    ...(schedule === undefined ? [] : [{ path: 'schedule.json', content: serializeSchedule(schedule) }]),
    ...(correction === undefined ? [] : [{ path: correctionFileName, content: [encodeCorrection(correction)] }]),
    { path: 'preprocessor_config.json', content: jsonText(preprocessorConfiguration(model.preprocessing)) },
    {
      path: 'README.md',
      content: modelCard({ model, schedule, correction: correction?.figures, method, dtypes, measured }),
    },
    { path: 'config.json', content: jsonText(config) },
  ];
  await writeFolder(directory, files, folderKind, options.write);
  return {
    directory,
    files: files.map(({ path, content }) => ({ path, bytes: bytesOf(content) })),
    schedule,
    warnings,
  };
}

/** A graph of fixed shapes needs token numbers that are the same for every image. */
function requireStatic({ method, name }: NamedMethod): void {
  if (method.ragged !== true) return;
  throw new DiffrateError(
    `${name} keeps another number of tokens for each image, which a graph of fixed shapes cannot save time with: ` +
      'export a method with static numbers, and evaluate this one instead.',
  );
}

/**
 * Precisions as asked for, each once; `fp32` alone by default.
 * @throws {UsageError} where one is unknown, or there is none.
 */
export function checkedDtypes(dtypes: readonly ExportDtype[] = ['fp32']): readonly ExportDtype[] {
  if (!Array.isArray(dtypes))
    throw new UsageError(`Precisions are a list of ${exportDtypes.join(', ')}, not ${String(dtypes)}.`);
  if (dtypes.length === 0)
    throw new UsageError(`The list of precisions is empty: name some of ${exportDtypes.join(', ')}.`);
  const unknown = dtypes.filter((dtype) => !exportDtypes.includes(dtype));
  if (unknown.length > 0)
    throw new UsageError(`There is no precision "${String(unknown[0])}" to export: use ${exportDtypes.join(', ')}.`);
  return [...new Set(dtypes)];
}

const keptNumbers = ({ pruneKept, mergeKept, merging, selection }: Schedule): KeptNumbers => ({
  pruneKept,
  mergeKept,
  ...(merging === undefined ? {} : { merging }),
  ...(selection === undefined ? {} : { selection }),
});

/** The schedule with what it costs in this network, by the paper's count. */
function withCost(schedule: Schedule, { network }: LoadedModel): Schedule {
  const gflops = Number((countFlops(network, schedule).total / flopsPerGflop).toPrecision(6));
  // Members of a published schedule beyond those of a file are left behind.
  const { model, inputSize, cost, target, createdBy } = schedule;
  return {
    model,
    inputSize,
    ...keptNumbers(schedule),
    ...(cost === undefined ? {} : { cost }),
    gflops,
    target,
    createdBy,
  };
}

/**
 * The ONNX model, saying itself what it is: `metadata_props` survive when the file is moved alone.
 */
function withMetadata(
  graph: OnnxModel,
  { model: { name }, method, correction }: ExportOptions,
  schedule: Schedule | undefined,
): OnnxModel {
  const metadata: Record<string, string> = { ...graph.metadata, 'diffrate.model': name };
  if (schedule !== undefined) metadata['diffrate.schedule'] = JSON.stringify(keptNumbers(schedule));
  if (correction !== undefined) metadata['diffrate.correction'] = JSON.stringify(correction.figures);
  if (method !== undefined) metadata['diffrate.method'] = method.name;
  return { ...graph, metadata };
}

/** The ONNX file, and its external data where the weights need it. */
function modelFiles(model: OnnxModel, name: string, limit: number): FolderFile[] {
  const weightBytes = model.initializers.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const external = weightBytes > limit ? `${name}_data` : undefined;
  const encoded = encodeModel(model, external);
  const files: FolderFile[] = [{ path: `onnx/${name}`, content: encoded.model }];
  if (external !== undefined) files.push({ path: `onnx/${external}`, content: encoded.externalData });
  return files;
}

const jsonText = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;

function bytesOf(content: FileContent): number {
  return typeof content === 'string'
    ? Buffer.byteLength(content)
    : content.reduce((sum, chunk) => sum + chunk.length, 0);
}
