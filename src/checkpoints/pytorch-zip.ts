/**
 * PyTorch's `.pth`, `.pt`, `.bin` files as `torch.save` has written them since 1.6: a zip with
 * `NAME/data.pkl` (a pickle of the object, tensors as references to storages) and one entry
 * `NAME/data/KEY` of raw bytes per storage (caffe2/serialize/inline_container.h,
 * torch/serialization.py). The pickle is read, never executed; only the storages of the chosen
 * weights are loaded, so an optimizer's state costs nothing.
 */
import { DiffrateError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import { PickleGlobal, readPickle, type PickleHost } from './pickle.ts';
import { TensorGatherer } from './strided-tensor.ts';
import { elementCount, elementSize, type WeightTensor, type WeightType, type Weights } from './weights.ts';
import { openZip, type ZipArchive } from './zip-archive.ts';

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

const DICTIONARIES = new Set(['collections.OrderedDict', 'collections.defaultdict', 'collections.Counter']);
const TENSORS = new Set(['torch._utils._rebuild_tensor_v2', 'torch._utils._rebuild_tensor']);
const PARAMETERS = new Set(['torch._utils._rebuild_parameter', 'torch._utils._rebuild_parameter_with_state']);

/**
 * Names of what training scripts leave beside weights (arguments, metrics, paths): kept as inert
 * placeholders.
 */
const INERT = new Set([
  'argparse.Namespace',
  'torch.Size',
  'torch.device',
  'torch.float64',
  'torch.float32',
  'torch.float16',
  'torch.bfloat16',
  'torch.int64',
  'torch.torch_version.TorchVersion',
  'numpy.core.multiarray.scalar',
  'numpy._core.multiarray.scalar',
  'numpy.core.multiarray._reconstruct',
  'numpy._core.multiarray._reconstruct',
  'numpy.ndarray',
  'numpy.dtype',
  '_codecs.encode',
  'builtins.set',
  '__builtin__.set',
  'pathlib.PosixPath',
  'pathlib.PurePosixPath',
  'pathlib.WindowsPath',
]);

/**
 * Keys under which training scripts keep weights, in order of preference: plain weights before
 * moving averages, as the authors of DeiT and MAE load their own files.
 */
const STATE_DICT_KEYS = [
  'model',
  'state_dict',
  'model_state_dict',
  'module',
  'net',
  'model_ema',
  'state_dict_ema',
  'teacher',
];

/** PyTorch's own limit on the number of dimensions. */
const LARGEST_RANK = 64;

/** Pickles of weights take some 200 bytes per tensor; one above this is not weights. */
const LARGEST_PICKLE = 4 * 2 ** 20;

/** A storage that the pickle refers to; loaded later, and only if a chosen tensor needs it. */
class StorageReference {
  readonly type: WeightType;
  readonly key: string;
  /** Number of elements. */
  readonly elements: number;

  constructor(type: WeightType, key: string, elements: number) {
    this.type = type;
    this.key = key;
    this.elements = elements;
  }
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

/**
 * The weights of a PyTorch zip file under their stored names: the object itself if it is a state
 * dict, else what is nested in it under `model`, `state_dict`, `model_ema` and the like; whatever
 * is not a tensor is passed over. Throws `DiffrateError` for damaged files, refused globals and
 * tensors that do not lie inside their storage.
 */
export async function readPytorchZip(source: ByteSource): Promise<Weights> {
  const archive = await openZip(source);
  const pickleName = [...archive.entries.keys()].find((name) => /^[^/]+\/data\.pkl$/.test(name));
  const pickle = pickleName === undefined ? undefined : archive.entries.get(pickleName);
  if (pickleName === undefined || pickle === undefined) {
    throw new DiffrateError(
      `${source.name} is a zip file without PyTorch weights (no data.pkl inside): name a .safetensors or .pth file.`,
    );
  }
  const folder = pickleName.slice(0, -'data.pkl'.length);
  if (pickle.size > LARGEST_PICKLE) {
    throw new DiffrateError(
      `${source.name} has a pickle of ${pickle.size} bytes, too much for names of weights: save only the state_dict.`,
    );
  }
  await assertLittleEndian(archive, folder, source);
  const root = readPickle(await archive.read(pickle), weightsHost(source.name), source.name);
  const stateDict = findStateDict(root, new Set());
  if (stateDict === undefined) {
    throw new DiffrateError(`${source.name} holds no tensors by name: save a model's state_dict, best as safetensors.`);
  }
  return loadTensors(stateDict, archive, folder, source);
}

/** What pickles of weights may name, and what it means. */
function weightsHost(file: string): PickleHost {
  const known = [DICTIONARIES, TENSORS, PARAMETERS, INERT, STORAGE_TYPES];
  return {
    allows: (name) => known.some((names) => names.has(name)),
    call: (name, values) => {
      if (TENSORS.has(name)) return tensorReference(values, file);
      if (PARAMETERS.has(name)) return values[0];
      // torch.save fills dictionaries item by item after making them empty.
      return DICTIONARIES.has(name) ? new Map() : new PickleGlobal(name);
    },
    persistent: (id) => storageReference(id, file),
  };
}

function storageReference(id: unknown, file: string): StorageReference {
  const [kind, storageClass, key, , elements] = Array.isArray(id) ? (id as readonly unknown[]) : [];
  const type = storageClass instanceof PickleGlobal ? STORAGE_TYPES.get(storageClass.name) : undefined;
  if (kind !== 'storage' || type === undefined || typeof key !== 'string' || !isCount(elements)) {
    throw malformed(file);
  }
  return new StorageReference(type, key, elements);
}

function tensorReference(values: readonly unknown[], file: string): TensorReference {
  const [storage, offset, shape, strides] = values;
  const valid =
    storage instanceof StorageReference &&
    isCount(offset) &&
    isCountList(shape) &&
    isCountList(strides) &&
    shape.length === strides.length;
  if (!valid) throw malformed(file);
  // Copied, because the pickle may go on to change the lists.
  return new TensorReference(storage, offset, [...shape], [...strides]);
}

/**
 * The first dict with tensors, preferred keys first; `seen` ends the search in dicts that contain
 * each other.
 */
function findStateDict(value: unknown, seen: Set<unknown>): Map<string, TensorReference> | undefined {
  if (!(value instanceof Map) || seen.has(value)) return undefined;
  seen.add(value);
  for (const key of STATE_DICT_KEYS) {
    const nested = findStateDict(value.get(key), seen);
    if (nested !== undefined) return nested;
  }
  const tensors = new Map<string, TensorReference>();
  for (const [name, item] of value) {
    if (typeof name === 'string' && item instanceof TensorReference) tensors.set(name, item);
  }
  return tensors.size > 0 ? tensors : undefined;
}

async function loadTensors(
  references: ReadonlyMap<string, TensorReference>,
  archive: ZipArchive,
  folder: string,
  source: ByteSource,
): Promise<Weights> {
  const storages = new Map<string, Uint8Array>();
  const gatherer = new TensorGatherer(source.size);
  const weights = new Map<string, WeightTensor>();
  for (const [name, { storage, offset, shape, strides }] of references) {
    const size = elementSize(storage.type);
    const entry = archive.entries.get(`${folder}data/${storage.key}`);
    if (entry === undefined || entry.size < storage.elements * size) {
      throw new DiffrateError(
        `The data of tensor "${name}" in ${source.name} is missing or too short: download or save the file again.`,
      );
    }
    const bytes = storages.get(storage.key) ?? (await archive.read(entry));
    storages.set(storage.key, bytes);
    const count = elementCount(shape);
    const values =
      count === undefined
        ? undefined
        : gatherer.gather(bytes.subarray(0, storage.elements * size), size, offset, shape, strides);
    if (values === undefined) {
      throw new DiffrateError(
        `Tensor "${name}" in ${source.name} (shape [${shape.join(', ')}], strides [${strides.join(', ')}], offset ${offset}) does not lie inside its storage of ${storage.elements} elements: save the file again from contiguous tensors.`,
      );
    }
    weights.set(name, { name, type: storage.type, shape, bytes: values });
  }
  return weights;
}

async function assertLittleEndian(archive: ZipArchive, folder: string, source: ByteSource): Promise<void> {
  const entry = archive.entries.get(`${folder}byteorder`);
  if (entry === undefined || entry.size > 16) return;
  if (new TextDecoder().decode(await archive.read(entry)) === 'big') {
    throw new DiffrateError(`${source.name} was saved on a big-endian machine: save it as safetensors there.`);
  }
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
