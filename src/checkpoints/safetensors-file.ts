/**
 * Safetensors files on disk: read with the data section in aligned memory, written whole or not at
 * all.
 */
import { open } from 'node:fs/promises';
import { DiffrateError, messageOf } from '../errors.ts';
import { writeWholeFile } from '../files/whole-file.ts';
import { withFileSource, type ByteSource } from './byte-source.ts';
import { parseSafetensorsHeader, safetensorsDataStart, safetensorsLayout } from './safetensors.ts';
import type { StoredCheckpoint } from './stored-checkpoint.ts';
import type { Weights, WeightTensor } from './weights.ts';

/**
 * Up to here the tensors share one buffer where most of the file is asked for; above, each has its
 * own (one buffer of that size may not be allocatable).
 */
const LARGEST_SHARED_BUFFER = 2 ** 31 - 1;

/**
 * All tensors of the safetensors file at `path`, under their stored names. Throws `DiffrateError`.
 */
export async function readSafetensors(path: string): Promise<Weights> {
  return withFileSource(path, async (source) => {
    const checkpoint = await openSafetensors(source);
    return checkpoint.load(checkpoint.tensors);
  });
}

/** Opens a safetensors byte source. Throws `DiffrateError` on any lie of its header. */
export async function openSafetensors(source: ByteSource): Promise<StoredCheckpoint> {
  const prefix = await source.read(0, Math.min(8, source.size));
  const start = safetensorsDataStart(prefix, source.size, source.name);
  const header = await source.read(8, start - 8);
  const dataSize = source.size - start;
  const entries = parseSafetensorsHeader(header, dataSize, source.name);
  return {
    tensors: entries.map(({ name, type, shape }) => ({ name, dictionary: '', type, shape })),
    async load(asked) {
      const names = new Set(asked.map(({ name }) => name));
      const chosen = entries.filter(({ name }) => names.has(name));
      const size = chosen.reduce((sum, { begin, end }) => sum + end - begin, 0);
      const sharesBuffer = dataSize <= LARGEST_SHARED_BUFFER && size > dataSize / 2;
      // Read apart from the header, because a header of odd length would leave every tensor
      // unaligned.
      const shared = sharesBuffer ? await source.read(start, dataSize) : undefined;
      const weights = new Map<string, WeightTensor>();
      for (const { name, type, shape, begin, end } of chosen) {
        const bytes = shared?.subarray(begin, end) ?? (await source.read(start + begin, end - begin));
        weights.set(name, { name, type, shape, bytes });
      }
      return weights;
    },
  };
}

/**
 * Writes weights as the safetensors file `path`, element types as they are, in a folder that is
 * made where it is missing. Throws `DiffrateError` (and leaves nothing behind) where the place
 * cannot be written.
 */
export async function writeSafetensors(
  path: string,
  weights: Weights,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  const { header, tensors } = safetensorsLayout(weights, metadata);
  try {
    await writeWholeFile(path, async (beside) => {
      const file = await open(beside, 'w');
      try {
        await file.writeFile(header);
        for (const { bytes } of tensors) await file.writeFile(bytes);
      } finally {
        await file.close();
      }
    });
  } catch (error) {
    throw new DiffrateError(`Cannot write ${path} (${messageOf(error)}): choose a writable place with enough room.`);
  }
}
