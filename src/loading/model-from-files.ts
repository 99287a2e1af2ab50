/**
 * A model from the contents of its files, wherever they come from: a folder on disk, the hub, or
 * what a page has fetched. Layouts are those of Hugging Face transformers and of timm.
 */
import { isJsonObject } from '../checkpoints/json-object.ts';
import type { JsonObject } from '../checkpoints/json-object.ts';
import { canonicalWeights } from '../checkpoints/naming.ts';
import { decodeSafetensors } from '../checkpoints/safetensors.ts';
import type { Weights } from '../checkpoints/weights.ts';
import { sizeText } from '../data/preprocessing.ts';
import type { Preprocessing } from '../data/preprocessing.ts';
import { DiffrateError } from '../errors.ts';
import { networkFamilies } from '../networks/families.ts';
import type { ConfigurationFile, DeclaredNetwork, NetworkFamily } from '../networks/family.ts';
import type { Model } from '../networks/model.ts';
import { parametersFromWeights } from '../networks/parameters.ts';
import { checkParameters } from './checked-parameters.ts';
import { fitLabels, labelsFromIdentifiers } from './labels.ts';
import type { Labels } from './labels.ts';
import { preprocessingFromProcessor } from './preprocessor-configuration.ts';
import { timmPreprocessing } from './timm-preprocessing.ts';

/**
 * A model as it is loaded from disk or from the hub. Its name is the registry's where that knows
 * the network, else the hub id or the folder's.
 */
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

/** Contents of a model folder. */
export interface ModelFiles {
  /** What sentences and schedules call the model; default `model`. */
  readonly name?: string | undefined;
  /** `config.json`, parsed. */
  readonly configuration: JsonObject;
  /** `preprocessor_config.json`, parsed; `undefined` where there is none. */
  readonly preprocessor?: JsonObject | undefined;
  /** The content of `model.safetensors`, or weights that were read already. */
  readonly weights: Uint8Array | Weights;
  /** Where they come from, default the name. */
  readonly source?: string | undefined;
  /** What sentences call the files; by default their usual names. */
  readonly paths?: ModelPaths | undefined;
  /** Families that the configuration may be of, by default all that there are here. */
  readonly families?: readonly NetworkFamily[] | undefined;
  /** In place of what the files say. */
  readonly preprocessing?: Preprocessing | undefined;
}

/** What sentences call the files of a model. */
export interface ModelPaths {
  readonly folder: string;
  readonly configuration: string;
  readonly preprocessor: string;
  readonly checkpoint: string;
}

const usualPaths: ModelPaths = {
  folder: 'The model',
  configuration: 'config.json',
  preprocessor: 'preprocessor_config.json',
  checkpoint: 'model.safetensors',
};

/**
 * Makes a model of its files. Every parameter is checked here.
 * @throws {DiffrateError} where the files are damaged, unsupported or do not fit each other.
 */
export function modelFromFiles({
  name = 'model',
  configuration: json,
  preprocessor,
  weights: given,
  source = name,
  paths = usualPaths,
  families = networkFamilies,
  preprocessing,
}: ModelFiles): LoadedModel {
  const { checkpoint, configuration: file } = paths;
  const weights =
    given instanceof Uint8Array ? canonicalWeights(decodeSafetensors(given, checkpoint), checkpoint) : given;
  const configuration = { json, file, weights, checkpoint };
  const parts = { name, source, weights, declaredBy: file, checkpoint, trainedMethod: trainedMethodOf(json) };
  if (typeof json['architecture'] === 'string') {
    const declared = declaredIn(families, configuration, 'fromTimm', 'architecture');
    const { preprocessing: own, labels } = timmPreprocessing(json, declared.network.input, file);
    return assembleModel({ ...parts, declared, labels, preprocessing: preprocessing ?? own });
  }
  if (json['model_type'] === undefined) {
    throw new DiffrateError(
      `${file} has neither "model_type" (Hugging Face) nor "architecture" (timm): use the model's own config.json.`,
    );
  }
  const declared = declaredIn(families, configuration, 'fromHuggingFace', 'model_type');
  const labels = labelsFromIdentifiers(identifiersOf(json));
  const { input } = declared.network;
  const { height, width } = input;
  const own = preprocessing ?? preprocessingFromProcessor(preprocessor, { height, width }, paths.preprocessor);
  const known = { ...parts, declared, labels, preprocessing: own };
  if (preprocessor !== undefined || preprocessing !== undefined) return assembleModel(known);
  const warning = `${paths.folder} has no preprocessor_config.json: images are resized to ${sizeText(input)}, with mean and standard deviation 0.5.`;
  return assembleModel({ ...known, warnings: [warning] });
}

/**
 * What the family says whose file this is.
 * @param reads which of a family's readers is asked, and `member` what of the file tells families
 *   apart.
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

/**
 * What training wrote into `config.json` (`exporting/model-configuration.ts`); what is wrong with
 * it is said where it is used.
 */
function trainedMethodOf({ diffrate }: JsonObject): string | undefined {
  const method = isJsonObject(diffrate) ? diffrate['trainedMethod'] : undefined;
  return typeof method === 'string' ? method : undefined;
}

/** Everything that a model is made of. */
export interface ModelParts {
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

/**
 * Puts a model together and checks every parameter.
 * @throws {DiffrateError} where weights are missing or do not fit.
 */
export function assembleModel(parts: ModelParts): LoadedModel {
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
