/**
 * A model from the contents of its files, wherever they come from: a folder on disk, the hub, or
 * what a page has fetched. Layouts are those of Hugging Face transformers and of timm.
 */
import { isJsonObject } from '../checkpoints/json-object.ts';
import type { JsonObject } from '../checkpoints/json-object.ts';
import { chooseWeights } from '../checkpoints/choice.ts';
import type { ChosenWeights, Fitting } from '../checkpoints/choice.ts';
import { decodeSafetensors } from '../checkpoints/safetensors.ts';
import { storedTensors } from '../checkpoints/stored-checkpoint.ts';
import type { Weights } from '../checkpoints/weights.ts';
import { sizeText } from '../data/preprocessing.ts';
import type { Preprocessing } from '../data/preprocessing.ts';
import { DiffrateError, quoted } from '../errors.ts';
import { networkFamilies } from '../networks/families.ts';
import type { ConfigurationFile, DeclaredNetwork, FittedNetwork, NetworkFamily } from '../networks/family.ts';
import type { Model } from '../networks/model.ts';
import type { Network } from '../networks/network.ts';
import { parametersFromWeights } from '../networks/parameters.ts';
import { networkParameters } from '../networks/recorded-parameters.ts';
import { checkParameters, checkValues } from './checked-parameters.ts';
import { fitLabels, labelsFromIdentifiers } from './labels.ts';
import type { Labels } from './labels.ts';
import { isOpenClip, openClipTower, rejectProjection } from './open-clip.ts';
import { preprocessingFromProcessor, preprocessorWarnings } from './preprocessor-configuration.ts';
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
  /** Which of several sets of weights is taken: a prefix of their names, such as `teacher`. */
  readonly weightsKey?: string | undefined;
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
export function modelFromFiles({ weights: given, weightsKey: wanted, ...files }: ModelFiles): LoadedModel {
  const { checkpoint: file } = files.paths ?? usualPaths;
  const weights = given instanceof Uint8Array ? decodeSafetensors(given, file) : given;
  const reading = readingOf(files);
  const choice = chooseWeights({ tensors: storedTensors(weights) }, { file, wanted, ...reading.fitting });
  return reading.assemble(choice.finish(weights));
}

/** A model whose weights are still to be chosen from a checkpoint. */
export interface ModelReading {
  /** How weights are tried on it. */
  readonly fitting: Fitting;
  /**
   * The model with its weights. Every parameter is checked.
   * @throws {DiffrateError} where weights are missing or do not fit.
   */
  assemble(chosen: ChosenWeights): LoadedModel;
}

/** What files or a name say of a network once its weights are known. */
export interface ModelDeclaration {
  readonly declared: DeclaredNetwork;
  readonly preprocessing: Preprocessing;
  readonly labels?: Labels | undefined;
  /** Second names of the classes; see `Model`. */
  readonly otherNames?: Labels | undefined;
  readonly warnings?: readonly string[];
  /**
   * Looks at names of tensors beside the weights.
   * @throws {DiffrateError} where one of them changes the answers.
   */
  checkOutside?(names: readonly string[]): void;
}

/** What does not depend on the weights. */
export interface ModelOrigin {
  readonly name: string;
  readonly source: string;
  /** Registry name or configuration file, for error sentences. */
  readonly declaredBy: string;
  /** The checkpoint's path. */
  readonly checkpoint: string;
  readonly trainedMethod?: string | undefined;
  /** Whether a configuration says that queries, keys and values have no biases. */
  readonly withoutQkvBias?: boolean | undefined;
}

/** The model of a folder's files, whose weights are still to be chosen. */
export function readingOf(files: Omit<ModelFiles, 'weights'>): ModelReading {
  const { name = 'model', configuration: json, source = name, paths = usualPaths } = files;
  const { checkpoint, configuration: declaredBy } = paths;
  const origin = {
    name,
    source,
    declaredBy,
    checkpoint,
    trainedMethod: trainedMethodOf(json),
    withoutQkvBias: saysNoQkvBias(json),
  };
  return modelReading(origin, (weights) => declarationOf(files, weights));
}

/** What a configuration says of the weights beside it. */
function declarationOf(files: Omit<ModelFiles, 'weights'>, weights: Weights): ModelDeclaration {
  const { configuration: json, preprocessor, paths = usualPaths, families = networkFamilies, preprocessing } = files;
  const { checkpoint, configuration: file } = paths;
  if (isOpenClip(json)) {
    const tower = openClipTower(json, weights, file);
    const declaration = declarationOf({ ...files, configuration: tower.configuration }, weights);
    return {
      ...declaration,
      warnings: [...tower.warnings, ...(declaration.warnings ?? [])],
      checkOutside: (names) => rejectProjection(names, checkpoint),
    };
  }
  const configuration = { json, file, weights, checkpoint };
  if (typeof json['architecture'] === 'string') {
    const declared = declaredIn(families, configuration, 'fromTimm', 'architecture');
    const timm = timmPreprocessing(json, declared.network.input, file);
    return { ...timm, declared, preprocessing: preprocessing ?? timm.preprocessing };
  }
  if (json['model_type'] === undefined) {
    throw new DiffrateError(
      `${file} has neither "model_type" (Hugging Face) nor "architecture" (timm): use the model's own config.json.`,
    );
  }
  const declared = declaredIn(families, configuration, 'fromHuggingFace', 'model_type');
  const labels = labelsFromIdentifiers(json['id2label']);
  const { input } = declared.network;
  const own = preprocessing ?? preprocessingFromProcessor(preprocessor, input, paths.preprocessor);
  const known = { declared, labels, preprocessing: own };
  if (preprocessing !== undefined) return known;
  if (preprocessor !== undefined) return { ...known, warnings: preprocessorWarnings(preprocessor, paths.preprocessor) };
  const warning = `${paths.folder} has no preprocessor_config.json: images are resized to ${sizeText(input)}, with mean and standard deviation 0.5.`;
  return { ...known, warnings: [warning] };
}

/** Whether `qkv_bias` of transformers or of timm's `model_args` is off; it is on by default. */
function saysNoQkvBias({ qkv_bias: own, model_args: given }: JsonObject): boolean {
  return own === false || (isJsonObject(given) && given['qkv_bias'] === false);
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
    `${file}: "${member}" is ${quoted(json[member])}, which is not supported: use a ${known} model.`,
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

/** No weights at all, for what is known before there are any. */
const noWeights: Weights = new Map();

/**
 * A model whose weights are still to be chosen.
 * @param declare what is known once they are.
 */
export function modelReading(origin: ModelOrigin, declare: (weights: Weights) => ModelDeclaration): ModelReading {
  const { checkpoint, declaredBy, withoutQkvBias } = origin;
  const fit = (weights: Weights): FittedNetwork & { declaration: ModelDeclaration } => {
    const declaration = declare(weights);
    return { declaration, ...declaration.declared.fit(weights, checkpoint, declaredBy) };
  };
  return {
    fitting: {
      names: namesKnownBefore(() => declare(noWeights).declared.network),
      try(weights) {
        const { network, weights: fitted } = fit(weights);
        checkParameters(network, fitted, checkpoint, { withoutQkvBias });
      },
    },
    assemble({ weights, outside, warnings }) {
      const { declaration, network, weights: fitted, warnings: fitWarnings } = fit(weights);
      declaration.checkOutside?.(outside);
      const checked = checkParameters(network, fitted, checkpoint, { withoutQkvBias, outside });
      const parameters = parametersFromWeights(fitted, checkpoint);
      checkValues(checked.read, parameters, fitted, checkpoint);
      const classes = network.answers.kind === 'features' ? 0 : network.answers.size;
      const labels = fitLabels(declaration.labels, classes, declaredBy);
      return {
        name: origin.name,
        network,
        parameters,
        preprocessing: declaration.preprocessing,
        labels: labels.labels,
        // Where the names belong to another network, so do these.
        ...(labels.labels !== undefined && { otherNames: declaration.otherNames }),
        parameterCount: checked.count,
        source: origin.source,
        trainedMethod: origin.trainedMethod,
        warnings: [
          ...warnings,
          ...(declaration.warnings ?? []),
          ...fitWarnings,
          ...checked.warnings,
          ...labels.warnings,
        ],
      };
    },
  };
}

/** Names of a network's parameters, where it is declared without looking at weights. */
function namesKnownBefore(declared: () => Network): ReadonlySet<string> {
  try {
    return new Set(networkParameters(declared()).map(({ name }) => name));
  } catch (error) {
    if (error instanceof DiffrateError) return new Set();
    throw error;
  }
}
