/**
 * Loads a model by whatever name its user has for it: a registry name (with weights from a file or
 * from the hub), a hub id, or a model folder in the layout of Hugging Face transformers or timm.
 */
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hubModelFiles } from '../checkpoints/hub.ts';
import type { HubOptions } from '../checkpoints/hub.ts';
import { readCheckpoint } from '../checkpoints/load.ts';
import { CHECKPOINT_NAMES, readModelFolder } from '../checkpoints/model-folder.ts';
import type { Preprocessing } from '../data/preprocessing.ts';
import { DiffrateError, UsageError } from '../errors.ts';
import { networkFamilies } from '../networks/families.ts';
import type { DeclaredNetwork, NetworkFamily } from '../networks/family.ts';
import { findModel, lookUpModel } from '../networks/registry.ts';
import type { RegistryEntry } from '../networks/registry.ts';
import { assembleModel, modelFromFiles } from './model-from-files.ts';
import type { LoadedModel } from './model-from-files.ts';

/** Where weights come from, if not from where the name says. */
export interface LoadModelOptions {
  /**
   * A checkpoint file (`.safetensors`, `.pth`) for a registry name; nothing then touches the
   * network.
   */
  readonly weights?: string | undefined;
  /** How to reach the hub. */
  readonly hubOptions?: HubOptions | undefined;
  /** Families that a configuration file may be of, by default all that there are here. */
  readonly families?: readonly NetworkFamily[] | undefined;
}

/**
 * Loads `model`: a registry name, a hub id (`facebook/deit-small-patch16-224`) or the path of a
 * model folder. Every parameter is checked here. A checkpoint with another number of classes than
 * the registry's is a fine-tuned one and its number counts; one without a head yields features (0
 * classes).
 * @throws {DiffrateError} where nothing of that name is found, or its files cannot be read, are
 *   unsupported or do not fit.
 */
export async function loadModel(model: string, options: LoadModelOptions = {}): Promise<LoadedModel> {
  const { weights: file, hubOptions, families = networkFamilies } = options;
  const entry = lookUpModel(model);
  if (file !== undefined) {
    if (entry === undefined) await rejectWeights(model);
    const named = entry ?? findModel(model);
    return assembleModel({
      name: named.name,
      source: file,
      weights: await readCheckpoint(file),
      declared: declaredBy(named),
      preprocessing: named.preprocessing,
      declaredBy: named.name,
    });
  }
  const information = await stat(model).catch(() => undefined);
  // A folder that happens to be called like a registry name (an output folder, often) must not hide
  // it.
  if (information?.isDirectory() && (entry === undefined || model.includes('/'))) {
    return fromFolder(families, model, basename(resolve(model)), model);
  }
  if (entry === undefined) {
    if (information !== undefined) {
      throw new UsageError(`${model} is a file: name the model that it belongs to, and give the file as \`weights\`.`);
    }
    if (hubIdentifier.test(model))
      return fromFolder(families, (await hubModelFiles(model, hubOptions)).folder, model, model);
    if (/[/\\]/.test(model)) throw new DiffrateError(`There is no folder ${model}: check the path of the model.`);
  }
  const known = findModel(model);
  // Networks that cannot be built and those without a hub id end here, before anything is
  // downloaded.
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
      `${model} brings its own weights: leave out \`weights\`, or name a registry model that the file belongs to.`,
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
  throw new DiffrateError(`${entry.name} is not on the hub: ${where} and give the file as \`weights\`.`);
}

/**
 * Loads a folder's files.
 * @param preprocessing of a network that the registry knows, as its authors evaluated it; else the
 *   folder's own.
 */
async function fromFolder(
  families: readonly NetworkFamily[],
  folder: string,
  name: string,
  source: string,
  preprocessing?: Preprocessing,
): Promise<LoadedModel> {
  await rejectExported(folder);
  const { configuration, preprocessor, checkpoint } = await readModelFolder(folder);
  return modelFromFiles({
    name,
    source,
    configuration,
    preprocessor,
    weights: await readCheckpoint(checkpoint),
    paths: {
      folder,
      configuration: join(folder, 'config.json'),
      preprocessor: join(folder, 'preprocessor_config.json'),
      checkpoint,
    },
    families,
    preprocessing,
  });
}

/**
 * An exported folder holds weights in its ONNX files only, from where no other network can be made.
 */
async function rejectExported(folder: string): Promise<void> {
  const exists = async (name: string): Promise<boolean> =>
    (await stat(join(folder, name)).catch(() => undefined)) !== undefined;
  if (!(await exists('onnx'))) return;
  if ((await Promise.all(CHECKPOINT_NAMES.map(exists))).includes(true)) return;
  throw new DiffrateError(
    `${folder} holds an exported ONNX model without its checkpoint: name the model that it was made from.`,
  );
}
