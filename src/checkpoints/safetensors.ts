/**
 * The safetensors format (github.com/huggingface/safetensors, "Format"): 8 bytes little-endian
 * header length, a JSON header `{name: {dtype, shape, data_offsets: [begin, end]}}`, then the
 * tensors' bytes without holes or overlaps. Pure: bytes in, bytes out. Every statement of a header
 * is checked, because headers come from strangers.
 */
import { DiffrateError, messageOf, quoted } from '../errors.ts';
import { elementCount, elementSize, type WeightTensor, type WeightType, type Weights } from './weights.ts';

/**
 * Some 80,000 tensors; the format allows 100 MB, but parsing that much hostile JSON could exhaust
 * memory.
 */
const LARGEST_HEADER = 8 * 2 ** 20;

const TYPES_BY_DTYPE = new Map<string, WeightType>([
  ['F64', 'float64'],
  ['F32', 'float32'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['I64', 'int64'],
  ['I32', 'int32'],
  ['I16', 'int16'],
  ['I8', 'int8'],
  ['U64', 'uint64'],
  ['U32', 'uint32'],
  ['U16', 'uint16'],
  ['U8', 'uint8'],
  ['BOOL', 'bool'],
]);
const DTYPES_BY_TYPE = new Map([...TYPES_BY_DTYPE].map(([dtype, type]) => [type, dtype]));

/**
 * Where one tensor lies: `begin` and `end` are byte positions counted from the end of the header.
 */
export interface SafetensorsEntry {
  readonly name: string;
  readonly type: WeightType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Position of the data section, read from a file's first 8 bytes.
 * @param prefix the file's first 8 bytes (fewer only where the file is shorter)
 * @param size the whole file's size in bytes
 * @param file the file's name for errors
 */
export function safetensorsDataStart(prefix: Uint8Array, size: number, file: string): number {
  if (prefix.byteLength < 8 || size < 8) {
    throw damaged(file, `it has ${size} bytes, too few for a header`);
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(size - 8))
    throw damaged(file, `its header length ${length} lies beyond the file's ${size} bytes`);
  if (length > BigInt(LARGEST_HEADER))
    throw damaged(file, `its header length ${length} is above the limit of ${LARGEST_HEADER}`);
  return 8 + Number(length);
}

/**
 * Reads and checks a header.
 * @param header the JSON header's bytes
 * @param dataSize bytes that follow the header
 * @param file the file's name for errors
 * @returns the tensors in the header's order
 */
export function parseSafetensorsHeader(header: Uint8Array, dataSize: number, file: string): SafetensorsEntry[] {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
    parsed = JSON.parse(text);
  } catch (error) {
    throw damaged(file, `its header is not JSON: ${messageOf(error)}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw damaged(file, 'its header is not a JSON object');
  }
  const seen = new Set<string>();
  for (const name of topLevelKeys(text)) {
    if (seen.has(name)) throw damaged(file, `tensor ${quoted(name)} is listed twice`);
    seen.add(name);
  }
  const entries = Object.entries(parsed)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => parseEntry(name, value, dataSize, file));
  assertCovered(entries, dataSize, file);
  return entries;
}

/**
 * All tensors of a safetensors file held in memory; their bytes are views of `bytes`. Throws
 * `DiffrateError` on any lie.
 */
export function decodeSafetensors(bytes: Uint8Array, file: string): Weights {
  const start = safetensorsDataStart(bytes.subarray(0, 8), bytes.byteLength, file);
  const data = bytes.subarray(start);
  const entries = parseSafetensorsHeader(bytes.subarray(8, start), data.byteLength, file);
  return new Map(
    entries.map(({ name, type, shape, begin, end }) => [name, { name, type, shape, bytes: data.subarray(begin, end) }]),
  );
}

/** Free text entries of a file that `decodeSafetensors` has read; what is no text is left out. */
export function safetensorsMetadata(bytes: Uint8Array): Readonly<Record<string, string>> {
  const start = safetensorsDataStart(bytes.subarray(0, 8), bytes.byteLength, 'the file');
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start))) as Record<string, unknown>;
  const entries = Object.entries(header['__metadata__'] ?? {});
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

/**
 * Header (8-byte length included) and tensors in the order of their bytes: larger elements first,
 * so that every tensor is aligned, else the map's order. The header is padded with spaces to a
 * multiple of 8 bytes.
 * @param metadata free text entries, kept under `__metadata__`
 */
export function safetensorsLayout(
  weights: Weights,
  metadata?: Readonly<Record<string, string>>,
): { header: Uint8Array; tensors: WeightTensor[] } {
  const tensors = [...weights].map(([name, tensor]) => ({ ...tensor, name }));
  tensors.sort((a, b) => elementSize(b.type) - elementSize(a.type));
  const fields = metadata === undefined ? [] : [`"__metadata__":${JSON.stringify(metadata)}`];
  let begin = 0;
  for (const { name, type, shape, bytes } of tensors) {
    const count = elementCount(shape);
    if (name === '__metadata__' || count === undefined || count * elementSize(type) !== bytes.byteLength) {
      throw new DiffrateError(
        `Cannot write tensor ${quoted(name)} (${type} [${shape.join(', ')}], ${bytes.byteLength} bytes) as safetensors: its name, shape and bytes must fit the format.`,
      );
    }
    const end = begin + bytes.byteLength;
    const entry = { dtype: DTYPES_BY_TYPE.get(type), shape, data_offsets: [begin, end] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    begin = end;
  }
  const json = new TextEncoder().encode(`{${fields.join(',')}}`);
  const length = Math.ceil(json.byteLength / 8) * 8;
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, 8);
  return { header, tensors };
}

/**
 * The bytes of a safetensors file with these weights (element types as they are), `metadata` under
 * `__metadata__`.
 */
export function encodeSafetensors(weights: Weights, metadata?: Readonly<Record<string, string>>): Uint8Array {
  const { header, tensors } = safetensorsLayout(weights, metadata);
  const size = tensors.reduce((sum, tensor) => sum + tensor.bytes.byteLength, header.byteLength);
  const file = new Uint8Array(size);
  file.set(header);
  let position = header.byteLength;
  for (const { bytes } of tensors) {
    file.set(bytes, position);
    position += bytes.byteLength;
  }
  return file;
}

function parseEntry(name: string, value: unknown, dataSize: number, file: string): SafetensorsEntry {
  const fields: { dtype?: unknown; shape?: unknown; data_offsets?: unknown } =
    typeof value === 'object' && value !== null ? value : {};
  const { dtype, shape, data_offsets: offsets } = fields;
  const type = typeof dtype === 'string' ? TYPES_BY_DTYPE.get(dtype) : undefined;
  if (type === undefined) {
    throw new DiffrateError(
      `Tensor ${quoted(name)} in ${file} has the unsupported dtype ${quoted(dtype)}: save it as F32, F16 or BF16.`,
    );
  }
  if (!isNumberList(shape)) throw damaged(file, `tensor ${quoted(name)} has no valid shape`);
  const count = elementCount(shape);
  if (count === undefined) throw damaged(file, `tensor ${quoted(name)} has the impossible shape [${shape.join(', ')}]`);
  const [begin, end] = isNumberList(offsets) && offsets.length === 2 ? offsets : [];
  if (begin === undefined || end === undefined || !isByteRange(begin, end)) {
    throw damaged(file, `tensor ${quoted(name)} has no valid data_offsets`);
  }
  if (end > dataSize) {
    throw damaged(file, `tensor ${quoted(name)} ends at byte ${end} of only ${dataSize} bytes of data`);
  }
  if (end - begin !== count * elementSize(type)) {
    throw damaged(
      file,
      `tensor ${quoted(name)} of shape [${shape.join(', ')}] and dtype ${String(dtype)} has ${end - begin} bytes of data`,
    );
  }
  return { name, type, shape, begin, end };
}

/** The format wants every byte of the data section to belong to exactly one tensor. */
function assertCovered(entries: readonly SafetensorsEntry[], dataSize: number, file: string): void {
  let covered = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < covered) throw damaged(file, `the data of tensor ${quoted(name)} overlaps another tensor's`);
    if (begin > covered)
      throw damaged(file, `bytes ${covered} to ${begin} before tensor ${quoted(name)} belong to no tensor`);
    covered = end;
  }
  if (covered !== dataSize) throw damaged(file, `its tensors cover ${covered} of ${dataSize} bytes of data`);
}

/**
 * Keys of the outermost object of valid JSON, repeated ones included (`JSON.parse` would keep only
 * the last).
 */
function topLevelKeys(json: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  for (let position = 0; position < json.length; position += 1) {
    const character = json[position];
    if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    else if (character === '"') {
      const start = position;
      for (position += 1; json[position] !== '"'; position += 1) {
        if (json[position] === '\\') position += 1;
      }
      let next = position + 1;
      while (' \t\r\n'.includes(json[next] ?? '.')) next += 1;
      if (depth === 1 && json[next] === ':') keys.push(String(JSON.parse(json.slice(start, position + 1))));
    }
  }
  return keys;
}

function isByteRange(begin: number, end: number): boolean {
  return Number.isSafeInteger(begin) && Number.isSafeInteger(end) && begin >= 0 && end >= begin;
}

function isNumberList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number');
}

function damaged(file: string, reason: string): DiffrateError {
  return new DiffrateError(`${file} is not a sound safetensors file (${reason}): download or save it again.`);
}
