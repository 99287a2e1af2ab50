/**
 * PyTorch's `.pth`, `.pt`, `.bin` files as `torch.save` wrote them before 1.6, and still does where
 * it is asked to (`_use_new_zipfile_serialization=False`, torch/serialization.py `_legacy_save`): a
 * sequence of pickles (a magic number, a version, facts of the machine, the object, the keys of its
 * storages), then each storage as its number of elements (8 bytes) and its raw bytes.
 */
import { DiffrateError, quoted } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import { InertObject, readPickle, type PickleHost } from './pickle.ts';
import {
  LARGEST_PICKLE,
  loadPickledTensors,
  readCheckpointPickle,
  storageElementSize,
  type PickledCheckpoint,
} from './pytorch-pickle.ts';
import type { StoredCheckpoint } from './stored-checkpoint.ts';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const VERSION = 1001;

/** Pickles of plain data: numbers, text, lists, dictionaries. */
const plainData: PickleHost = { call: (name) => new InertObject(name), persistent: () => undefined };

/** Where the values of a storage lie. */
interface PlacedStorage {
  readonly elements: number;
  /** Position of the first byte in the file. */
  readonly begin: number;
}

/** Whether a file begins with this format's magic number. */
export function isPytorchSequence(start: Uint8Array): boolean {
  // PROTO 2, LONG1 of ten bytes.
  return start[0] === 0x80 && start[2] === 0x8a && start[3] === 10 && start[4] === 0x6c && start[5] === 0xfc;
}

/**
 * Opens a file of PyTorch's sequence format.
 * @throws {DiffrateError} for damaged files and those of big-endian machines.
 */
export async function openPytorchSequence(source: ByteSource): Promise<StoredCheckpoint> {
  const { name: file, size } = source;
  // The pickle of the object and that of the keys are bounded each.
  const bytes = await source.read(0, Math.min(size, 2 * LARGEST_PICKLE));
  let position = 0;
  const next = (): unknown => {
    const { value, length } = readPickle(bytes.subarray(position), plainData, file);
    position += length;
    return value;
  };
  if (next() !== MAGIC || next() !== VERSION) throw damaged(file, 'its first pickles are not those of PyTorch');
  const machine = next();
  if (machine instanceof Map && machine.get('little_endian') === false) {
    throw new DiffrateError(`${file} was saved on a big-endian machine: save it as safetensors there.`);
  }
  const checkpoint = readCheckpointPickle(bytes.subarray(position), file);
  position += checkpoint.length;
  const keys = next();
  if (!Array.isArray(keys)) throw damaged(file, 'it has no list of storages');
  const places = await placeStorages(source, position, keys, checkpoint);
  return {
    tensors: checkpoint.tensors,
    wholeModule: checkpoint.wholeModule,
    load: (asked) =>
      loadPickledTensors(
        checkpoint,
        asked,
        async ({ key }, elementSize) => {
          const place = places.get(key);
          return place && source.read(place.begin, place.elements * elementSize);
        },
        source,
      ),
  };
}

/** Walks from storage to storage, because only their lengths say where the next one begins. */
async function placeStorages(
  source: ByteSource,
  start: number,
  keys: readonly unknown[],
  { storages }: PickledCheckpoint,
): Promise<Map<string, PlacedStorage>> {
  const places = new Map<string, PlacedStorage>();
  let position = start;
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    const elementSize = storage && storageElementSize(storage);
    if (storage === undefined || elementSize === undefined) {
      throw damaged(source.name, `its storage ${quoted(key)} is of no known type`);
    }
    const header = await source.read(position, 8);
    const count = new DataView(header.buffer, header.byteOffset, 8).getBigInt64(0, true);
    if (count !== BigInt(storage.elements)) {
      throw damaged(source.name, `its storage ${quoted(storage.key)} has two lengths`);
    }
    const begin = position + 8;
    position = begin + storage.elements * elementSize;
    if (position > source.size) throw damaged(source.name, 'it ends too early');
    places.set(storage.key, { elements: storage.elements, begin });
  }
  return places;
}

function damaged(file: string, reason: string): DiffrateError {
  return new DiffrateError(`${file} is not a sound PyTorch file (${reason}): download or save it again.`);
}
