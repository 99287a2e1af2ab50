/**
 * A model folder as the Hugging Face hub lays it out: `config.json`, `preprocessor_config.json`,
 * and weights in one file or in shards with an index. Only files and JSON here; what a
 * configuration means is the models' business.
 */
import { readFile, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DiffrateError, messageOf, quoted, shortened } from '../errors.ts';
import { isJsonObject } from './json-object.ts';
import type { JsonObject } from './json-object.ts';

/** What a model folder holds. */
export interface ModelFolder {
  /** `config.json`, or `open_clip_config.json` where there is no other. */
  readonly configuration: JsonObject;
  readonly configurationPath: string;
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
  'open_clip_model.safetensors',
  'open_clip_pytorch_model.bin',
] as const;

/** Names of configuration files in a model folder, the preferred first. */
export const CONFIGURATION_NAMES = ['config.json', 'open_clip_config.json'] as const;

/**
 * Reads a model folder.
 * @param checkpoint a file in place of the folder's own weights.
 * @throws {DiffrateError} for a missing folder, missing or broken JSON, and missing weights.
 */
export async function readModelFolder(folder: string, checkpoint?: string): Promise<ModelFolder> {
  await assertFolder(folder);
  const names = await Promise.all(CONFIGURATION_NAMES.map((name) => isFile(join(folder, name))));
  const name = CONFIGURATION_NAMES[names.indexOf(true)];
  if (name === undefined) {
    await rejectAdapter(folder);
    throw new DiffrateError(`The folder ${folder} has no config.json: name a folder that holds a model.`);
  }
  const configurationPath = join(folder, name);
  const configuration = await readJsonObject(configurationPath);
  const preprocessorPath = join(folder, 'preprocessor_config.json');
  return {
    configuration,
    configurationPath,
    preprocessor: (await isFile(preprocessorPath)) ? await readJsonObject(preprocessorPath) : undefined,
    checkpoint: checkpoint ?? (await findCheckpoint(folder, configuration)),
  };
}

/**
 * Path of the preferred checkpoint in `folder`.
 * @param configuration of the folder, which may say where the weights come from.
 * @throws {DiffrateError} where there is none.
 */
export async function findCheckpoint(folder: string, configuration: JsonObject = {}): Promise<string> {
  await assertFolder(folder);
  for (const name of CHECKPOINT_NAMES) {
    const path = join(folder, name);
    if (await isFile(path)) return path;
  }
  await rejectAdapter(folder);
  if (await holdsOnnx(folder)) throw onnxOnly(folder, configuration);
  throw new DiffrateError(
    `The folder ${folder} has no weights (${CHECKPOINT_NAMES.join(', ')}): download the model's safetensors file into it.`,
  );
}

/** PEFT's folders hold what is added to a model, and not the model. */
async function rejectAdapter(folder: string): Promise<void> {
  const path = join(folder, 'adapter_config.json');
  if (!(await isFile(path))) return;
  const { base_model_name_or_path: base } = await readJsonObject(path);
  const name = nameText(base);
  throw new DiffrateError(
    `The folder ${folder} holds an adapter without the model that it belongs to${name === undefined ? '' : ` (${name})`}: merge it into that model with PEFT's merge_and_unload(), and save the whole.`,
  );
}

async function holdsOnnx(folder: string): Promise<boolean> {
  const names = await Promise.all(
    [folder, join(folder, 'onnx')].map((place) => readdir(place).catch((): string[] => [])),
  );
  return names.flat().some((name) => name.endsWith('.onnx'));
}

/** Weights that are in ONNX files only, from where no other network can be made. */
function onnxOnly(folder: string, { _name_or_path: origin, diffrate }: JsonObject): DiffrateError {
  const own = isJsonObject(diffrate) ? diffrate['model'] : undefined;
  const name = nameText(own) ?? nameText(origin);
  const from =
    name === undefined ? 'name the model that it was made from' : `name the model that it was made from (${name})`;
  return new DiffrateError(`The folder ${folder} holds an ONNX model without its checkpoint: ${from}.`);
}

/** A name in a file of a stranger, short and on one line. */
function nameText(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  return shortened(value);
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
        `${indexPath} names a shard ${quoted(name)} outside its folder, which is refused: use an index with plain file names.`,
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
    throw new DiffrateError(
      `Cannot read ${path} as JSON (${shortened(messageOf(error))}): repair or download it again.`,
    );
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
