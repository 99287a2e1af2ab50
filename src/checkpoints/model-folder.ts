/**
 * A model folder as the Hugging Face hub lays it out: `config.json`, `preprocessor_config.json`,
 * and weights in one file or in shards with an index. Only files and JSON here; what a
 * configuration means is the models' business.
 */
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DiffrateError, messageOf } from '../errors.ts';
import { isJsonObject } from './json-object.ts';
import type { JsonObject } from './json-object.ts';

/** What a model folder holds. */
export interface ModelFolder {
  /** `config.json`. */
  readonly configuration: JsonObject;
  /** `preprocessor_config.json`; `undefined` where the folder has none. */
  readonly preprocessor: JsonObject | undefined;
  /** Path of the weights: a checkpoint file, or the index of a sharded one. */
  readonly checkpoint: string;
}

/** Names of checkpoints in a model folder, the preferred first. */
export const CHECKPOINT_NAMES = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
] as const;

/**
 * Reads a model folder. Throws `DiffrateError` for a missing folder, missing or broken JSON, and
 * missing weights.
 */
export async function readModelFolder(folder: string): Promise<ModelFolder> {
  await assertFolder(folder);
  const configurationPath = join(folder, 'config.json');
  if (!(await isFile(configurationPath))) {
    throw new DiffrateError(`The folder ${folder} has no config.json: name a folder that holds a model.`);
  }
  const preprocessorPath = join(folder, 'preprocessor_config.json');
  return {
    configuration: await readJsonObject(configurationPath),
    preprocessor: (await isFile(preprocessorPath)) ? await readJsonObject(preprocessorPath) : undefined,
    checkpoint: await findCheckpoint(folder),
  };
}

/** Path of the preferred checkpoint in `folder`; `DiffrateError` where there is none. */
export async function findCheckpoint(folder: string): Promise<string> {
  await assertFolder(folder);
  for (const name of CHECKPOINT_NAMES) {
    const path = join(folder, name);
    if (await isFile(path)) return path;
  }
  throw new DiffrateError(
    `The folder ${folder} has no weights (${CHECKPOINT_NAMES.join(', ')}): download the model's safetensors file into it.`,
  );
}

/**
 * File names of the shards that an index lists, each once. Throws `DiffrateError` for names that
 * leave the index's folder.
 */
export async function readShardNames(indexPath: string): Promise<string[]> {
  const { weight_map: map } = await readJsonObject(indexPath);
  if (typeof map !== 'object' || map === null) {
    throw new DiffrateError(`${indexPath} has no weight_map: download the index of the sharded checkpoint again.`);
  }
  const names = new Set<string>();
  for (const name of Object.values(map)) {
    if (typeof name !== 'string' || name.includes('\\') || basename(name) !== name || /^\.*$/.test(name)) {
      throw new DiffrateError(
        `${indexPath} names a shard ${JSON.stringify(name)?.slice(0, 80)} outside its folder, which is refused: use an index with plain file names.`,
      );
    }
    names.add(name);
  }
  return [...names];
}

async function readJsonObject(path: string): Promise<JsonObject> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new DiffrateError(`Cannot read ${path} as JSON (${messageOf(error)}): repair or download it again.`);
  }
  if (!isJsonObject(parsed)) throw new DiffrateError(`${path} is not a JSON object: repair or download it again.`);
  return parsed;
}

async function assertFolder(folder: string): Promise<void> {
  const information = await stat(folder).catch(() => undefined);
  if (!information?.isDirectory()) {
    throw new DiffrateError(`There is no folder ${folder}: check the path of the model.`);
  }
}

async function isFile(path: string): Promise<boolean> {
  const information = await stat(path).catch(() => undefined);
  return information?.isFile() ?? false;
}
