/**
 * What the pickle of a PyTorch file means (torch/serialization.py, torch/_utils.py): dictionaries
 * of tensors, which are windows on storages that lie elsewhere in the file. The pickle is read,
 * never executed: objects of other classes are placeholders, wherever they stand. Only a tensor
 * that needs one cannot be read.
 */
import { DiffrateError, quoted } from '../errors.ts';
import { InertObject, PickleGlobal, readPickle, type PickleHost } from './pickle.ts';
import type { StoredTensor } from './stored-checkpoint.ts';
import { TensorGatherer } from './strided-tensor.ts';
import { elementCount, elementSize, type WeightTensor, type WeightType, type Weights } from './weights.ts';

const STORAGE_TYPES = new Map<string, WeightType>([
  ['torch.DoubleStorage', 'float64'],
  ['torch.FloatStorage', 'float32'],
  ['torch.HalfStorage', 'float16'],
  ['torch.BFloat16Storage', 'bfloat16'],
  ['torch.LongStorage', 'int64'],
  ['torch.IntStorage', 'int32'],
  ['torch.ShortStorage', 'int16'],
  ['torch.CharStorage', 'int8'],
  ['torch.ByteStorage', 'uint8'],
  ['torch.BoolStorage', 'bool'],
  ['torch.storage.UntypedStorage', 'uint8'],
]);

/** Bytes per element of storages whose tensors cannot be read. */
const OTHER_STORAGE_SIZES = new Map([
  ['torch.QInt8Storage', 1],
  ['torch.QUInt8Storage', 1],
  ['torch.QInt32Storage', 4],
  ['torch.ComplexFloatStorage', 8],
  ['torch.ComplexDoubleStorage', 16],
]);

const DICTIONARIES = new Set(['collections.OrderedDict', 'collections.defaultdict', 'collections.Counter']);
const TENSORS = new Set(['torch._utils._rebuild_tensor_v2', 'torch._utils._rebuild_tensor']);
const PARAMETERS = new Set(['torch._utils._rebuild_parameter', 'torch._utils._rebuild_parameter_with_state']);
/** Subclasses of tensors: the function that makes the plain one comes first, its values third. */
const SUBCLASSES = new Set(['torch._tensor._rebuild_from_type_v2', 'torch._tensor._rebuild_from_type']);
/** Functions and classes of other kinds of tensors: quantized, sparse, on no device. */
const OTHER_TENSOR = /^torch\.(?:_utils|_tensor|nn\.parameter|storage|sparse)\./;

/** PyTorch's own limit on the number of dimensions. */
const LARGEST_RANK = 64;

/** Pickles of weights take some 200 bytes per tensor; one above this is not weights. */
export const LARGEST_PICKLE = 4 * 2 ** 20;

/** Dictionaries within dictionaries; more is no checkpoint. */
const DEEPEST_NESTING = 16;

/** Names of parameters are far shorter. */
const LONGEST_NAME = 500;

/** A storage that the pickle refers to; loaded later, and only if a chosen tensor needs it. */
export interface StorageReference {
  readonly kind: 'storage';
  /** Its class: `torch.FloatStorage`. */
  readonly className: string;
  /** `undefined` where the class is not one of plain numbers. */
  readonly type: WeightType | undefined;
  readonly key: string;
  /** Number of elements, and the first of them where it is a part of the storage `key`. */
  readonly elements: number;
  readonly offset: number;
}

/** A tensor as the pickle describes it: a strided window on a storage, numbers in elements. */
class TensorReference {
  readonly storage: StorageReference;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: StorageReference, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** A tensor of a pickle, and where its values lie. */
interface PickledTensor extends StoredTensor {
  readonly reference: TensorReference | undefined;
}

/** What the pickle of a checkpoint says. */
export interface PickledCheckpoint {
  readonly tensors: readonly PickledTensor[];
  readonly wholeModule: string | undefined;
  /** Storages by key, as the pickle describes them. */
  readonly storages: ReadonlyMap<string, StorageReference>;
  /** Bytes that the pickle has. */
  readonly length: number;
}

/** Bytes per element of a storage; `undefined` where its class is unknown. */
export function storageElementSize({ className, type }: StorageReference): number | undefined {
  return type === undefined ? OTHER_STORAGE_SIZES.get(className) : elementSize(type);
}

/**
 * Reads a checkpoint's pickle.
 * @param bytes begin with the pickle.
 * @throws {DiffrateError} where it is damaged.
 */
export function readCheckpointPickle(bytes: Uint8Array, file: string): PickledCheckpoint {
  const storages = new Map<string, StorageReference>();
  const { value, length } = readPickle(bytes, weightsHost(file, storages), file);
  const tensors: PickledTensor[] = [];
  const wholeModule = collectTensors(value, '', 0, tensors, new Set());
  return { tensors, wholeModule, storages, length };
}

/** What pickles of weights may name, and what it means. */
function weightsHost(file: string, storages: Map<string, StorageReference>): PickleHost {
  const call = (name: string, values: readonly unknown[]): unknown => {
    if (TENSORS.has(name)) return tensorReference(values, file);
    if (PARAMETERS.has(name)) return values[0];
    if (SUBCLASSES.has(name)) {
      const [make, , own] = values;
      if (make instanceof PickleGlobal && TENSORS.has(make.name) && Array.isArray(own)) return call(make.name, own);
    }
    return DICTIONARIES.has(name) ? new Map(pairsOf(values[0])) : new InertObject(name);
  };
  return {
    call,
    persistent: (id) => {
      // A module's class, before PyTorch 1.6, with its source text.
      if (Array.isArray(id) && id[0] === 'module') return id[1];
      const storage = storageReference(id, file);
      storages.set(storage.key, storage);
      return storage;
    },
  };
}

/**
 * The items that a dictionary is made with. Python 3 makes it empty and fills it item by item;
 * Python 2 gave it a list of pairs.
 */
function pairsOf(items: unknown): [unknown, unknown][] {
  if (!Array.isArray(items)) return [];
  return items.flatMap((pair: unknown): [unknown, unknown][] =>
    Array.isArray(pair) && pair.length === 2 ? [[pair[0], pair[1]]] : [],
  );
}

function storageReference(id: unknown, file: string): StorageReference {
  const [kind, storageClass, key, , elements, view] = Array.isArray(id) ? (id as readonly unknown[]) : [];
  if (kind !== 'storage' || !(storageClass instanceof PickleGlobal) || typeof key !== 'string' || !isCount(elements)) {
    throw malformed(file);
  }
  const { name: className } = storageClass;
  const storage = { kind, className, type: STORAGE_TYPES.get(className), key, elements, offset: 0 } as const;
  if (!Array.isArray(view)) return storage;
  // Before PyTorch 1.6: a part of the storage, by its own key, first element and length.
  const [, offset, length] = view as readonly unknown[];
  if (!isCount(offset) || !isCount(length)) throw malformed(file);
  return { ...storage, offset };
}

function tensorReference(values: readonly unknown[], file: string): unknown {
  const [storage, offset, shape, strides] = values;
  if (storage instanceof InertObject) return storage;
  const valid =
    isStorage(storage) &&
    isCount(offset) &&
    isCountList(shape) &&
    isCountList(strides) &&
    shape.length === strides.length;
  if (!valid) throw malformed(file);
  // Copied, because the pickle may go on to change the lists.
  return new TensorReference(storage, offset + storage.offset, [...shape], [...strides]);
}

function isStorage(value: unknown): value is StorageReference {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'storage';
}

/**
 * Gathers the tensors of nested dictionaries, each dictionary once, by the way on which it is
 * reached first.
 * @returns the class of a module that was saved whole, if one stands there.
 */
function collectTensors(
  value: unknown,
  dictionary: string,
  depth: number,
  tensors: PickledTensor[],
  seen: Set<unknown>,
): string | undefined {
  if (!(value instanceof Map) || seen.has(value) || depth > DEEPEST_NESTING) return undefined;
  seen.add(value);
  if (value instanceof InertObject && value.isModule) return value.className;
  let wholeModule: string | undefined;
  for (const [key, item] of value) {
    const own = typeof key === 'string' || typeof key === 'number' ? String(key) : undefined;
    if (own === undefined || dictionary.length + own.length > LONGEST_NAME) continue;
    const name = dictionary + own;
    if (item instanceof TensorReference) {
      // A number for a key is an optimizer's parameter.
      if (typeof key === 'string') tensors.push(stored(name, dictionary, item));
    } else if (item instanceof InertObject && item.size === 0 && OTHER_TENSOR.test(item.className)) {
      tensors.push({ name, dictionary, type: 'uint8', shape: [], needs: item.className, reference: undefined });
    } else {
      wholeModule ??= collectTensors(item, `${name}.`, depth + 1, tensors, seen);
    }
  }
  return wholeModule;
}

function stored(name: string, dictionary: string, reference: TensorReference): PickledTensor {
  const { storage, shape } = reference;
  const needs = storage.type === undefined ? storage.className : undefined;
  return { name, dictionary, type: storage.type ?? 'uint8', shape, needs, reference };
}

/**
 * Values of some tensors of a pickled checkpoint.
 * @param read bytes of a storage; `undefined` where it is missing or shorter than it says.
 * @param size bytes of the file, by which copies are bounded.
 * @throws {DiffrateError} where a tensor does not lie inside its storage, or needs an object.
 */
export async function loadPickledTensors(
  checkpoint: PickledCheckpoint,
  asked: readonly StoredTensor[],
  read: (storage: StorageReference, elementSize: number) => Promise<Uint8Array | undefined>,
  file: { readonly name: string; readonly size: number },
): Promise<Weights> {
  const names = new Set(asked.map(({ name }) => name));
  const storages = new Map<string, Uint8Array>();
  const gatherer = new TensorGatherer(file.size);
  const weights = new Map<string, WeightTensor>();
  for (const { name, type, needs, reference } of checkpoint.tensors) {
    if (!names.has(name)) continue;
    if (needs !== undefined || reference === undefined) throw unreadable(file.name, name, needs ?? 'a storage');
    const { storage, offset, shape, strides } = reference;
    const size = elementSize(type);
    const bytes = storages.get(storage.key) ?? (await read(storage, size));
    if (bytes === undefined) {
      throw new DiffrateError(
        `The data of tensor ${quoted(name)} in ${file.name} is missing or too short: download or save the file again.`,
      );
    }
    storages.set(storage.key, bytes);
    const within = bytes.subarray(0, storage.elements * size);
    const values =
      elementCount(shape) === undefined ? undefined : gatherer.gather(within, size, offset, shape, strides);
    if (values === undefined) {
      throw new DiffrateError(
        `Tensor ${quoted(name)} in ${file.name} (shape [${shape.join(', ')}], strides [${strides.join(', ')}], offset ${offset}) does not lie inside its storage of ${storage.elements} elements: save the file again from contiguous tensors.`,
      );
    }
    weights.set(name, { name, type, shape, bytes: values });
  }
  return weights;
}

/** The error for a tensor whose values are in a Python object. */
export function unreadable(file: string, tensor: string, needs: string): DiffrateError {
  const printable = needs.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 80);
  return new DiffrateError(
    `${file}: the tensor ${quoted(tensor)} needs the Python object ${printable}, which is not read: save it as an ordinary tensor, best as safetensors.`,
  );
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isCountList(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= LARGEST_RANK && value.every(isCount);
}

function malformed(file: string): DiffrateError {
  return new DiffrateError(`${file} describes a tensor or storage in an unknown way: save its weights as safetensors.`);
}
