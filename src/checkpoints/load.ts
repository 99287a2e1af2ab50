/**
 * One door for every checkpoint: the format is told from the content, because `.bin`, `.pt` and
 * `.pth` say nothing.
 */
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DiffrateError, quoted } from '../errors.ts';
import { withFileSource, type ByteSource } from './byte-source.ts';
import { chooseWeights, type ChosenWeights, type Fitting } from './choice.ts';
import { findCheckpoint, readShardNames } from './model-folder.ts';
import { isPytorchSequence, openPytorchSequence } from './pytorch-sequence.ts';
import { openPytorchZip } from './pytorch-zip.ts';
import { openSafetensors } from './safetensors-file.ts';
import type { StoredCheckpoint, StoredTensor } from './stored-checkpoint.ts';
import type { Weights } from './weights.ts';

/** A checkpoint, and which of the sets of weights in it is wanted. */
export interface CheckpointPlace {
  readonly path: string;
  /** A key of a dictionary or a prefix, `''` for the tensors at the top. */
  readonly wanted: string | undefined;
}

/** Endings of checkpoint files. */
const ENDING = /\.(?:safetensors|pth|pt|bin|ckpt|tar|pkl|pickle|th|pyth|model|json)$/i;

/**
 * `FILE#KEY` as a file and a key, and `FILE` alone. A file whose name has a `#` stays one, and so
 * does a path whose part before the `#` is no checkpoint, by what is there or by its ending.
 */
export async function checkpointPlace(text: string): Promise<CheckpointPlace> {
  const at = text.lastIndexOf('#');
  const whole = { path: text, wanted: undefined };
  if (at < 0 || (await stat(text).catch(() => undefined)) !== undefined) return whole;
  const [path, wanted] = [text.slice(0, at), text.slice(at + 1)];
  const found = await stat(path).catch(() => undefined);
  const isCheckpoint = found === undefined ? ENDING.test(path) : found.isFile() || !ENDING.test(wanted);
  return isCheckpoint ? { path, wanted } : whole;
}

/**
 * The weights of a checkpoint that fit a network, under canonical (timm) names. Only their values
 * are read.
 * @param place a safetensors or PyTorch file, the index of a sharded checkpoint (`….index.json`),
 *   or a folder with one of the hub's names for these.
 * @throws {DiffrateError} where it cannot be read, or nothing in it fits.
 */
export async function readCheckpoint(place: CheckpointPlace, fitting: Fitting): Promise<ChosenWeights> {
  return withCheckpoint(place.path, async (checkpoint) => {
    const choice = chooseWeights(checkpoint, { file: place.path, wanted: place.wanted, ...fitting });
    return choice.finish(await checkpoint.load(choice.needed));
  });
}

/**
 * Opens the checkpoint at `path`, hands it to `use` and closes it, however `use` ends.
 * @throws {DiffrateError} where it is not there, or no checkpoint.
 */
export async function withCheckpoint<T>(path: string, use: (checkpoint: StoredCheckpoint) => Promise<T>): Promise<T> {
  const information = await stat(path).catch(() => undefined);
  if (information?.isDirectory()) return withCheckpoint(await findCheckpoint(path), use);
  if (path.endsWith('.index.json')) return use(await openShards(path));
  return withFileSource(path, async (source) => use(await openByContent(source)));
}

/** Shards are opened once for their names and once more for their values. */
async function openShards(indexPath: string): Promise<StoredCheckpoint> {
  const shards = new Map<string, readonly StoredTensor[]>();
  const places = new Map<string, string>();
  for (const name of await readShardNames(indexPath)) {
    const shard = join(dirname(indexPath), name);
    const { tensors } = await withFileSource(shard, openByContent);
    for (const tensor of tensors) {
      if (places.has(tensor.name)) {
        throw new DiffrateError(
          `Tensor ${quoted(tensor.name)} is in ${shard} and in another shard, too: download the shards again.`,
        );
      }
      places.set(tensor.name, shard);
    }
    shards.set(shard, tensors);
  }
  return {
    tensors: [...shards.values()].flat(),
    async load(asked) {
      const loaded: Weights[] = [];
      for (const shard of shards.keys()) {
        const own = asked.filter(({ name }) => places.get(name) === shard);
        if (own.length === 0) continue;
        loaded.push(await withFileSource(shard, async (source) => (await openByContent(source)).load(own)));
      }
      return new Map(loaded.flatMap((weights) => [...weights]));
    },
  };
}

async function openByContent(source: ByteSource): Promise<StoredCheckpoint> {
  const start = await source.read(0, Math.min(source.size, 512));
  const text = new TextDecoder('latin1').decode(start);
  // The whole signature: a safetensors header of 19,280 bytes begins with "PK", too.
  if (text.startsWith('PK\x03\x04') || text.startsWith('PK\x05\x06')) return openPytorchZip(source);
  // A safetensors file begins with its header's length and the header with a brace.
  if (text[8] === '{') return openSafetensors(source);
  if (isPytorchSequence(start)) return openPytorchSequence(source);
  throw new DiffrateError(`${source.name} ${unreadable(text)}`);
}

/** Says what a file is, if it is not a checkpoint that can be read, and what to do with it. */
function unreadable(start: string): string {
  if (start === '') return 'is empty: download it again.';
  if (start.slice(257, 262) === 'ustar') {
    return 'is in the PyTorch format from before version 0.1.10 (a tar archive): load it with PyTorch once and save it as safetensors.';
  }
  if (start.startsWith('\x80')) {
    return 'is a Python pickle, but not one of PyTorch: save the state_dict with torch.save, best as safetensors.';
  }
  if (start.startsWith('version https://git-lfs')) {
    return 'is a Git LFS pointer, not the weights: fetch the weights with "git lfs pull" or from the hub.';
  }
  if (/^\s*</.test(start)) return 'is a web page, not weights: download the file itself.';
  if (start.startsWith('\x89HDF'))
    return 'is an HDF5 (TensorFlow or Keras) file: use the safetensors file of the model.';
  return 'is neither a safetensors nor a PyTorch file: name a checkpoint (.safetensors, .pth, .bin).';
}
