/**
 * Loads a model by whatever name its user has for it: a registry name (with weights from a file or from the hub), a hub id, or
 * a model folder in the layout of Hugging Face transformers or timm.
 */
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hubModelFiles } from '../checkpoints/hub.ts';
import type { HubOptions } from '../checkpoints/hub.ts';
import { readCheckpoint } from '../checkpoints/load.ts';
import { CHECKPOINT_NAMES, isJsonObject, readModelFolder } from '../checkpoints/model-folder.ts';
import type { JsonObject } from '../checkpoints/model-folder.ts';
import type { Weights } from '../checkpoints/weights.ts';
import { DiffrateError, UsageError } from '../errors.ts';
import type { Preprocessing, VisionTransformerConfiguration } from '../models/configuration.ts';
import { parametersFromWeights } from '../models/parameters.ts';
import { findModel, lookUpModel } from '../models/registry.ts';
import type { RegistryEntry } from '../models/registry.ts';
import type { Parameters } from '../nn/parameters.ts';
import { fitConfiguration } from './checkpoint-sizes.ts';
import { huggingFaceNetwork } from './hugging-face-configuration.ts';
import type { DeclaredNetwork } from './hugging-face-configuration.ts';
import { fitLabels } from './labels.ts';
import type { Labels } from './labels.ts';
import { checkParameters } from './network-parameters.ts';
import { preprocessingFromProcessor } from './preprocessor-configuration.ts';
import { timmNetwork } from './timm-configuration.ts';

/** A network with its weights, ready to be built into graphs. */
export interface LoadedModel {
  /** Registry name where the registry knows the network, else the hub id or the folder's name. */
  readonly name: string;
  readonly configuration: VisionTransformerConfiguration;
  readonly parameters: Parameters;
  /** Class names by class number; `undefined` where nobody named the classes. */
  readonly labels: Labels | undefined;
  /** Number of values (not bytes) that the network reads from its checkpoint. */
  readonly parameterCount: number;
  /** Where the weights come from: a file, a folder or a hub id. */
  readonly source: string;
  /** The method that the network was trained for, with its settings: `dynamicvit:keep=0.7`. */
  readonly trainedMethod?: string | undefined;
  /** Sentences for the user about what was left out or guessed. */
  readonly warnings: readonly string[];
}

/** Where weights come from, if not from where the name says. */
export interface LoadModelOptions {
  /** A checkpoint file (`.safetensors`, `.pth`) for a registry name; nothing then touches the network. */
  readonly weights?: string;
  /** How to reach the hub. */
  readonly hubOptions?: HubOptions;
}

/**
 * Loads `model`: a registry name, a hub id (`facebook/deit-small-patch16-224`) or the path of a model folder. Every parameter is
 * checked here. A checkpoint with another number of classes than the registry's is a fine-tuned one and its number counts; one
 * without a head yields features (0 classes).
 * @throws {DiffrateError} where nothing of that name is found, or its files cannot be read, are unsupported or do not fit.
 */
export async function loadModel(model: string, options: LoadModelOptions = {}): Promise<LoadedModel> {
  const { weights: file, hubOptions } = options;
  const entry = lookUpModel(model);
  if (file !== undefined) {
    if (entry === undefined) await rejectWeights(model);
    const named = entry ?? findModel(model);
    return assemble({
      name: named.name,
      source: file,
      weights: await readCheckpoint(file),
      declared: registryNetwork(named),
      declaredBy: named.name,
    });
  }
  const information = await stat(model).catch(() => undefined);
  // A folder that happens to be called like a registry name (an output folder, often) must not hide it.
  if (information?.isDirectory() && (entry === undefined || model.includes('/'))) {
    return fromFolder(model, basename(resolve(model)), model);
  }
  if (entry === undefined) {
    if (information !== undefined) {
      throw new UsageError(`${model} is a file: name the model that it belongs to, and give the file with --weights.`);
    }
    if (hubIdentifier.test(model)) return fromFolder((await hubModelFiles(model, hubOptions)).folder, model, model);
    if (/[/\\]/.test(model)) throw new DiffrateError(`There is no folder ${model}: check the path of the model.`);
  }
  const known = findModel(model);
  // Hierarchical networks and those without a hub id end here, before anything is downloaded.
  const { preprocessing } = registryNetwork(known).configuration;
  if (known.packagedFolder !== undefined) {
    return fromFolder(fileURLToPath(new URL(`../../${known.packagedFolder}`, import.meta.url)), known.name, known.name);
  }
  const id = hubIdOf(model, known);
  return fromFolder((await hubModelFiles(id, hubOptions)).folder, known.name, id, preprocessing);
}

/** `ORGANISATION/NAME`, unlike a relative path with a dot before it. */
const hubIdentifier = /^[^./\\~][^/\\]*\/[^/\\]+$/;

async function rejectWeights(model: string): Promise<void> {
  const isFolder = (await stat(model).catch(() => undefined))?.isDirectory() ?? false;
  if (isFolder || model.includes('/')) {
    throw new UsageError(
      `${model} brings its own weights: leave out --weights, or name a registry model that the file belongs to.`,
    );
  }
}

/** What the registry says of a network whose weights can be loaded. */
function registryNetwork({ name, configuration }: RegistryEntry): DeclaredNetwork {
  if (configuration.family === 'vision-transformer') return { configuration, labels: undefined };
  throw new DiffrateError(
    `${name} is a hierarchical network, whose weights cannot be loaded yet: use a ViT, DeiT or MAE model.`,
  );
}

/** A hub id stands for itself; a registry name for the repository that the registry knows. */
function hubIdOf(model: string, entry: RegistryEntry): string {
  if (model.includes('/')) return model;
  if (entry.hubId !== undefined) return entry.hubId;
  const where = entry.weightsUrl === undefined ? 'get its checkpoint' : `download ${entry.weightsUrl}`;
  throw new DiffrateError(`${entry.name} is not on the hub: ${where} and give the file with --weights.`);
}

/**
 * Loads a folder's files.
 * @param preprocessing of a network that the registry knows, as its authors evaluated it; else the folder's own.
 */
async function fromFolder(
  folder: string,
  name: string,
  source: string,
  preprocessing?: Preprocessing,
): Promise<LoadedModel> {
  await rejectExported(folder);
  const { configuration: json, preprocessor, checkpoint } = await readModelFolder(folder);
  const weights = await readCheckpoint(checkpoint);
  const file = join(folder, 'config.json');
  const parts = { name, source, weights, declaredBy: file, checkpoint, trainedMethod: trainedMethodOf(json) };
  if (typeof json['architecture'] === 'string') {
    const declared = timmNetwork(json, weights, file, checkpoint);
    const configuration = { ...declared.configuration, ...(preprocessing && { preprocessing }) };
    return assemble({ ...parts, declared: { ...declared, configuration } });
  }
  if (json['model_type'] === undefined) {
    throw new DiffrateError(
      `${file} has neither "model_type" (Hugging Face) nor "architecture" (timm): use the model's own config.json.`,
    );
  }
  const processor = join(folder, 'preprocessor_config.json');
  const declared = huggingFaceNetwork(
    json,
    (size) => preprocessing ?? preprocessingFromProcessor(preprocessor, size, processor),
    file,
  );
  if (preprocessor !== undefined || preprocessing !== undefined) return assemble({ ...parts, declared });
  const side = declared.configuration.inputSize;
  const warning = `${folder} has no preprocessor_config.json: images are resized to ${side}×${side}, with mean and standard deviation 0.5.`;
  return assemble({ ...parts, declared, warnings: [warning] });
}

/** What training wrote into `config.json` (`exporting/model-configuration.ts`); what is wrong with it is said where it is used. */
function trainedMethodOf({ diffrate }: JsonObject): string | undefined {
  const method = isJsonObject(diffrate) ? diffrate['trainedMethod'] : undefined;
  return typeof method === 'string' ? method : undefined;
}

/** An exported folder holds weights in its ONNX files only, from where no other network can be made. */
async function rejectExported(folder: string): Promise<void> {
  const exists = async (name: string): Promise<boolean> =>
    (await stat(join(folder, name)).catch(() => undefined)) !== undefined;
  if (!(await exists('onnx'))) return;
  if ((await Promise.all(CHECKPOINT_NAMES.map(exists))).includes(true)) return;
  throw new DiffrateError(
    `${folder} holds an exported ONNX model without its checkpoint: name the model that it was made from.`,
  );
}

interface Parts {
  readonly name: string;
  readonly source: string;
  readonly weights: Weights;
  readonly declared: DeclaredNetwork;
  /** Registry name or configuration file, for error sentences. */
  readonly declaredBy: string;
  /** The checkpoint's path where `source` is not it. */
  readonly checkpoint?: string;
  readonly trainedMethod?: string | undefined;
  readonly warnings?: readonly string[];
}

function assemble({
  name,
  source,
  weights,
  declared,
  declaredBy,
  checkpoint = source,
  trainedMethod,
  warnings = [],
}: Parts): LoadedModel {
  const fitted = fitConfiguration(declared.configuration, declaredBy, weights, checkpoint);
  const parameters = parametersFromWeights(fitted.weights, checkpoint);
  const checked = checkParameters(parameters, fitted.weights, fitted.configuration, checkpoint);
  const labels = fitLabels(declared.labels, fitted.configuration.classes, declaredBy);
  return {
    name,
    configuration: fitted.configuration,
    parameters,
    labels: labels.labels,
    parameterCount: checked.count,
    source,
    trainedMethod,
    warnings: [...warnings, ...fitted.warnings, ...checked.warnings, ...labels.warnings],
  };
}
