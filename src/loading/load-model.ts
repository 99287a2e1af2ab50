/**
 * Loads a model by whatever name its user has for it: a registry name (with weights from a file or
 * from the hub), a hub id, or a model folder in the layout of Hugging Face transformers or timm.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hubModelFiles } from '../checkpoints/hub.ts';
import type { HubOptions } from '../checkpoints/hub.ts';
import { checkpointPlace, readCheckpoint } from '../checkpoints/load.ts';
import type { CheckpointPlace } from '../checkpoints/load.ts';
import { readModelFolder } from '../checkpoints/model-folder.ts';
import { requireKnownOptions } from '../options/known-options.ts';
import type { OptionNames } from '../options/known-options.ts';
import { nearest } from '../options/nearest.ts';
import type { Preprocessing } from '../data/preprocessing.ts';
import { DiffrateError, UsageError } from '../errors.ts';
import { networkFamilies } from '../networks/families.ts';
import type { DeclaredNetwork, NetworkFamily } from '../networks/family.ts';
import { findModel, lookUpModel } from '../networks/registry.ts';
import type { RegistryEntry } from '../networks/registry.ts';
import { modelReading, readingOf } from './model-from-files.ts';
import type { LoadedModel } from './model-from-files.ts';

/** Where weights come from, if not from where the name says. */
export interface LoadModelOptions {
  /**
   * A checkpoint file (`.safetensors`, `.pth`) for a registry name, which then touches no network,
   * or in place of a folder's own. `FILE#KEY` takes one of several sets of weights in it, by the
   * key of a dictionary or a prefix of names.
   */
  readonly weights?: string | undefined;
  /** How to reach the hub. */
  readonly hubOptions?: HubOptions | undefined;
  /** Families that a configuration file may be of, by default all that there are here. */
  readonly families?: readonly NetworkFamily[] | undefined;
}

const loadModelOptionNames: OptionNames<LoadModelOptions> = { weights: true, hubOptions: true, families: true };

/**
 * Loads `model`: a registry name, a hub id (`facebook/deit-small-patch16-224`) or the path of a
 * model folder. Every parameter is checked here. A checkpoint with another number of classes than
 * the registry's is a fine-tuned one and its number counts; one without a head yields features (0
 * classes).
 * @throws {DiffrateError} where nothing of that name is found, or its files cannot be read, are
 *   unsupported or do not fit, and {UsageError} where an option is unknown.
 */
export async function loadModel(model: string, options: LoadModelOptions = {}): Promise<LoadedModel> {
  if (typeof model !== 'string' || model === '')
    throw new UsageError(
      `A model is a name, a hub id or the path of a folder, as a text, not ${JSON.stringify(model) ?? 'undefined'}.`,
    );
  requireKnownOptions(options, loadModelOptionNames, 'loading of a model');
  const { weights: given, hubOptions, families = networkFamilies } = options;
  const place = given === undefined ? undefined : await checkpointPlace(given);
  const entry = lookUpModel(model);
  const information = await stat(model).catch(() => undefined);
  const isFolder = information?.isDirectory() ?? false;
  // A folder that happens to be called like a registry name (an output folder, often) must not hide
  // it.
  if (isFolder && (entry === undefined || /[/\\]/.test(model))) {
    return fromFolder({ families, folder: model, name: basename(resolve(model)), source: model, place });
  }
  const hidden = isFolder && entry !== undefined ? hiddenFolder(model, entry) : [];
  if (entry === undefined) {
    if (information !== undefined) {
      throw new UsageError(`${model} is a file: name the model that it belongs to, and give the file as \`weights\`.`);
    }
    if (hubIdentifier.test(model)) {
      await rejectMissingFolder(model);
      const { folder } = await hubModelFiles(model, hubOptions);
      return fromFolder({ families, folder, name: model, source: model, place });
    }
    if (/[/\\]/.test(model)) throw new DiffrateError(`There is no folder ${model}: check the path of the model.`);
  }
  const known = findModel(model);
  // Networks that cannot be built and those without a hub id end here, before anything is
  // downloaded.
  const declared = declaredBy(known);
  const { name, preprocessing, packagedFolder } = known;
  if (place !== undefined) {
    const origin = { name, source: place.path, declaredBy: name, checkpoint: place.path };
    const reading = modelReading(origin, () => ({ declared, preprocessing }));
    return withWarnings(reading.assemble(await readCheckpoint(place, reading.fitting)), hidden);
  }
  if (packagedFolder !== undefined) {
    const folder = fileURLToPath(new URL(`../../${packagedFolder}`, import.meta.url));
    return withWarnings(await fromFolder({ families, folder, name, source: name }), hidden);
  }
  const id = hubIdOf(model, known);
  const { folder } = await hubModelFiles(id, hubOptions);
  return withWarnings(await fromFolder({ families, folder, name, source: id, preprocessing }), hidden);
}

/** `ORGANISATION/NAME`, unlike a relative path with a dot before it, or a drive of Windows. */
const hubIdentifier = /^(?![A-Za-z]:)[^./\\~][^/\\]*\/[^/\\]+$/;

/** Both a registry name and a folder here. */
function hiddenFolder(model: string, { name }: RegistryEntry): string[] {
  return [
    `There is a folder ${model} here, too; the model ${name} that is known by this name is taken: write ./${model} for the folder.`,
  ];
}

/** A hub id whose first part is a folder here is a path with a slip in it. */
async function rejectMissingFolder(model: string): Promise<void> {
  const [first = ''] = model.split('/');
  const isFolder = (await stat(first).catch(() => undefined))?.isDirectory() ?? false;
  if (!isFolder) return;
  const names = await readdir(first).catch(() => []);
  const meant = nearest(basename(model), names);
  const hint = meant === undefined ? 'check the path of the model' : `did you mean ${first}/${meant}`;
  throw new DiffrateError(
    `There is no folder ${model}, though there is a folder ${first}: ${hint}${meant === undefined ? '' : '?'}`,
  );
}

function withWarnings(model: LoadedModel, warnings: readonly string[]): LoadedModel {
  return warnings.length === 0 ? model : { ...model, warnings: [...warnings, ...model.warnings] };
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
  throw new DiffrateError(`${entry.name} is not on the hub: ${where} and give the file as \`weights\`.`);
}

/** A folder, and what is known of it. */
interface FolderRequest {
  readonly families: readonly NetworkFamily[];
  readonly folder: string;
  readonly name: string;
  readonly source: string;
  /** Weights in place of the folder's own. */
  readonly place?: CheckpointPlace | undefined;
  /** Of a network that the registry knows, as its authors evaluated it; else the folder's own. */
  readonly preprocessing?: Preprocessing | undefined;
}

/** Loads a folder's files. */
async function fromFolder({ folder, place: given, source, ...known }: FolderRequest): Promise<LoadedModel> {
  const files = await readModelFolder(folder, given?.path);
  const place = given ?? { path: files.checkpoint, wanted: undefined };
  const reading = readingOf({
    ...known,
    source: given === undefined ? source : given.path,
    configuration: files.configuration,
    preprocessor: files.preprocessor,
    paths: {
      folder,
      configuration: files.configurationPath,
      preprocessor: join(folder, 'preprocessor_config.json'),
      checkpoint: place.path,
    },
  });
  return reading.assemble(await readCheckpoint(place, reading.fitting));
}
