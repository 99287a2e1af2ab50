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
import { sizeText } from '../data/preprocessing.ts';
import { DiffrateError, UsageError } from '../errors.ts';
import type { Preprocessing } from '../data/preprocessing.ts';
import { networkFamilies } from '../networks/families.ts';
import type { ConfigurationFile, DeclaredNetwork, NetworkFamily } from '../networks/family.ts';
import type { Model } from '../networks/model.ts';
import { parametersFromWeights } from '../networks/parameters.ts';
import { findModel, lookUpModel } from '../networks/registry.ts';
import type { RegistryEntry } from '../networks/registry.ts';
import { checkParameters } from './checked-parameters.ts';
import { fitLabels, labelsFromIdentifiers } from './labels.ts';
import type { Labels } from './labels.ts';
import { preprocessingFromProcessor } from './preprocessor-configuration.ts';
import { timmPreprocessing } from './timm-preprocessing.ts';

/** A model as it is loaded from disk or from the hub. Its name is the registry's where that knows the network, else the hub id or the folder's. */
export interface LoadedModel extends Model {
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
  /** Families that a configuration file may be of, by default all that there are here. */
  readonly families?: readonly NetworkFamily[];
}

/**
 * Loads `model`: a registry name, a hub id (`facebook/deit-small-patch16-224`) or the path of a model folder. Every parameter is
 * checked here. A checkpoint with another number of classes than the registry's is a fine-tuned one and its number counts; one
 * without a head yields features (0 classes).
 * @throws {DiffrateError} where nothing of that name is found, or its files cannot be read, are unsupported or do not fit.
 */
export async function loadModel(model: string, options: LoadModelOptions = {}): Promise<LoadedModel> {
  const { weights: file, hubOptions, families = networkFamilies } = options;
  const entry = lookUpModel(model);
  if (file !== undefined) {
    if (entry === undefined) await rejectWeights(model);
    const named = entry ?? findModel(model);
    return assemble({
      name: named.name,
      source: file,
      weights: await readCheckpoint(file),
      declared: declaredBy(named),
      preprocessing: named.preprocessing,
      declaredBy: named.name,
    });
  }
  const information = await stat(model).catch(() => undefined);
  // A folder that happens to be called like a registry name (an output folder, often) must not hide it.
  if (information?.isDirectory() && (entry === undefined || model.includes('/'))) {
    return fromFolder(families, model, basename(resolve(model)), model);
  }
  if (entry === undefined) {
    if (information !== undefined) {
      throw new UsageError(`${model} is a file: name the model that it belongs to, and give the file with --weights.`);
    }
    if (hubIdentifier.test(model))
      return fromFolder(families, (await hubModelFiles(model, hubOptions)).folder, model, model);
    if (/[/\\]/.test(model)) throw new DiffrateError(`There is no folder ${model}: check the path of the model.`);
  }
  const known = findModel(model);
  // Networks that cannot be built and those without a hub id end here, before anything is downloaded.
  declaredBy(known);
  if (known.packagedFolder !== undefined) {
    return fromFolder(
      families,
      fileURLToPath(new URL(`../../${known.packagedFolder}`, import.meta.url)),
      known.name,
      known.name,
    );
  }
  const id = hubIdOf(model, known);
  return fromFolder(families, (await hubModelFiles(id, hubOptions)).folder, known.name, id, known.preprocessing);
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
function declaredBy({ name, declared }: RegistryEntry): DeclaredNetwork {
  if (declared !== undefined) return declared;
  const known = networkFamilies.map(({ title }) => title).join(', ');
  throw new DiffrateError(
    `${name} is a hierarchical network, whose weights cannot be loaded yet: use a ${known} model.`,
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
  families: readonly NetworkFamily[],
  folder: string,
  name: string,
  source: string,
  preprocessing?: Preprocessing,
): Promise<LoadedModel> {
  await rejectExported(folder);
  const { configuration: json, preprocessor, checkpoint } = await readModelFolder(folder);
  const weights = await readCheckpoint(checkpoint);
  const file = join(folder, 'config.json');
  const configuration = { json, file, weights, checkpoint };
  const trainedMethod = trainedMethodOf(json);
  const parts = { name, source, weights, declaredBy: file, checkpoint, trainedMethod };
  if (typeof json['architecture'] === 'string') {
    const declared = declaredIn(families, configuration, 'fromTimm', 'architecture');
    const { preprocessing: own, labels } = timmPreprocessing(json, declared.network.input, file);
    return assemble({ ...parts, declared, labels, preprocessing: preprocessing ?? own });
  }
  if (json['model_type'] === undefined) {
    throw new DiffrateError(
      `${file} has neither "model_type" (Hugging Face) nor "architecture" (timm): use the model's own config.json.`,
    );
  }
  const declared = declaredIn(families, configuration, 'fromHuggingFace', 'model_type');
  const labels = labelsFromIdentifiers(identifiersOf(json));
  const processor = join(folder, 'preprocessor_config.json');
  const { input } = declared.network;
  const own =
    preprocessing ?? preprocessingFromProcessor(preprocessor, { height: input.height, width: input.width }, processor);
  const known = { ...parts, declared, labels, preprocessing: own };
  if (preprocessor !== undefined || preprocessing !== undefined) return assemble(known);
  const warning = `${folder} has no preprocessor_config.json: images are resized to ${sizeText(input)}, with mean and standard deviation 0.5.`;
  return assemble({ ...known, warnings: [warning] });
}

/**
 * What the family says whose file this is.
 * @param reads which of a family's readers is asked, and `member` what of the file tells families apart.
 */
function declaredIn(
  families: readonly NetworkFamily[],
  configuration: ConfigurationFile,
  reads: 'fromHuggingFace' | 'fromTimm',
  member: 'model_type' | 'architecture',
): DeclaredNetwork {
  for (const family of families) {
    const declared = family[reads]?.(configuration);
    if (declared !== undefined) return declared;
  }
  const { json, file } = configuration;
  const known = families.map(({ title }) => title).join(', ');
  throw new DiffrateError(
    `${file}: "${member}" is ${JSON.stringify(json[member])}, which is not supported: use a ${known} model.`,
  );
}

/** `id2label`, where it is one. */
function identifiersOf({ id2label }: JsonObject): Record<string, string> | undefined {
  if (!isJsonObject(id2label)) return undefined;
  return Object.fromEntries(
    Object.entries(id2label).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
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
  readonly preprocessing: Preprocessing;
  readonly labels?: Labels | undefined;
  /** The checkpoint's path where `source` is not it. */
  readonly checkpoint?: string;
  readonly trainedMethod?: string | undefined;
  readonly warnings?: readonly string[];
}

function assemble(parts: Parts): LoadedModel {
  const { name, source, weights, declared, declaredBy, preprocessing, trainedMethod, warnings = [] } = parts;
  const { checkpoint = source } = parts;
  const fitted = declared.fit(weights, checkpoint, declaredBy);
  const { network } = fitted;
  const parameters = parametersFromWeights(fitted.weights, checkpoint);
  const checked = checkParameters(network, parameters, fitted.weights, checkpoint);
  const classes = network.answers.kind === 'features' ? 0 : network.answers.size;
  const labels = fitLabels(parts.labels, classes, declaredBy);
  return {
    name,
    network,
    parameters,
    preprocessing,
    labels: labels.labels,
    parameterCount: checked.count,
    source,
    trainedMethod,
    warnings: [...warnings, ...fitted.warnings, ...checked.warnings, ...labels.warnings],
  };
}
