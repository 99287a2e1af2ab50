/**
 * One door for every checkpoint: the format is told from the content, because `.bin`, `.pt` and
 * `.pth` say nothing.
 */
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DiffrateError } from '../errors.ts';
import { withFileSource, type ByteSource } from './byte-source.ts';
import { findCheckpoint, readShardNames } from './model-folder.ts';
import { canonicalWeights } from './naming.ts';
import { readPytorchZip } from './pytorch-zip.ts';
import { readSafetensorsFrom } from './safetensors-file.ts';
import type { Weights, WeightTensor } from './weights.ts';

/**
 * All weights at `path` under canonical (timm) names. `path` is a safetensors or PyTorch zip file,
 * the index of a sharded checkpoint (`….index.json`), or a folder with one of the hub's names for
 * these. Throws `DiffrateError`.
 */
export async function readCheckpoint(path: string): Promise<Weights> {
  return canonicalWeights(await readStoredCheckpoint(path), path);
}

/** Like `readCheckpoint`, but under the names that the file uses. */
export async function readStoredCheckpoint(path: string): Promise<Weights> {
  const information = await stat(path).catch(() => undefined);
  if (information?.isDirectory()) return readStoredCheckpoint(await findCheckpoint(path));
  if (path.endsWith('.index.json')) return readShards(path);
  return withFileSource(path, readByContent);
}

async function readShards(indexPath: string): Promise<Weights> {
  const weights = new Map<string, WeightTensor>();
  for (const name of await readShardNames(indexPath)) {
    const shard = join(dirname(indexPath), name);
    for (const [tensorName, tensor] of await withFileSource(shard, readByContent)) {
      if (weights.has(tensorName)) {
        throw new DiffrateError(
          `Tensor "${tensorName}" is in ${shard} and in another shard, too: download the shards again.`,
        );
      }
      weights.set(tensorName, tensor);
    }
  }
  return weights;
}

async function readByContent(source: ByteSource): Promise<Weights> {
  const start = await source.read(0, Math.min(source.size, 512));
  const text = new TextDecoder('latin1').decode(start);
  // The whole signature: a safetensors header of 19,280 bytes begins with "PK", too.
  if (text.startsWith('PK\x03\x04') || text.startsWith('PK\x05\x06')) return readPytorchZip(source);
  // A safetensors file begins with its header's length and the header with a brace.
  if (text[8] === '{') return readSafetensorsFrom(source);
  throw new DiffrateError(`${source.name} ${unreadable(text)}`);
}

/** Says what a file is, if it is not a checkpoint that can be read, and what to do with it. */
function unreadable(start: string): string {
  if (start === '') return 'is empty: download it again.';
  if (start.startsWith('\x80') || start.slice(257, 262) === 'ustar') {
    return 'is in the PyTorch format from before version 1.6: load it with PyTorch once and save it as safetensors.';
  }
  if (start.startsWith('version https://git-lfs')) {
    return 'is a Git LFS pointer, not the weights: fetch the weights with "git lfs pull" or from the hub.';
  }
  if (/^\s*</.test(start)) return 'is a web page, not weights: download the file itself.';
  if (start.startsWith('\x89HDF'))
    return 'is an HDF5 (TensorFlow or Keras) file: use the safetensors file of the model.';
  return 'is neither a safetensors nor a PyTorch file: name a checkpoint (.safetensors, .pth, .bin).';
}
