/**
 * Builds PyTorch zip files as `torch.save` lays them out, from any pickle and any storages.
 */
import { zipSync, type Zippable } from 'fflate';
import { Call, Global, Persistent, Tuple, pickle, type PickleValue } from './pickle-writer.ts';

/** A tensor as PyTorch pickles it: a strided window on the storage `key` of `elements` elements. */
export function tensor(
  key: string,
  elements: number,
  shape: readonly number[],
  strides: readonly number[] = rowMajorStrides(shape),
  { offset = 0, storage = 'FloatStorage' }: { offset?: number; storage?: string } = {},
): Call {
  const reference = new Persistent(new Tuple('storage', new Global('torch', storage), key, 'cpu', elements));
  const hooks = new Call(new Global('collections', 'OrderedDict'), new Tuple());
  return new Call(
    new Global('torch._utils', '_rebuild_tensor_v2'),
    new Tuple(reference, offset, new Tuple(...shape), new Tuple(...strides), false, hooks),
  );
}

/** A parameter around a tensor. */
export function parameter(data: Call): Call {
  const hooks = new Call(new Global('collections', 'OrderedDict'), new Tuple());
  return new Call(new Global('torch._utils', '_rebuild_parameter'), new Tuple(data, true, hooks));
}

/**
 * A `.pth` file of the pickled `root`; `storages` are raw bytes by key, `level` the zip's
 * compression.
 */
export function pytorchFile(
  root: PickleValue | Uint8Array,
  storages: Readonly<Record<string, Uint8Array>>,
  { level = 0, byteorder = 'little' }: { level?: 0 | 6; byteorder?: string } = {},
): Uint8Array {
  const entries: Zippable = {
    'archive/data.pkl': root instanceof Uint8Array ? root : pickle(root),
    'archive/byteorder': new TextEncoder().encode(byteorder),
    'archive/version': new TextEncoder().encode('3\n'),
  };
  for (const [key, bytes] of Object.entries(storages)) {
    // PyTorch pads storages with an extra field so that they lie aligned in the file.
    entries[`archive/data/${key}`] = [bytes, { extra: { 0x4246: new Uint8Array(17) } }];
  }
  return zipSync(entries, { level });
}

/**
 * The same archive with all sizes and offsets moved into zip64 fields, as PyTorch writes files
 * above 4 GiB.
 */
export function withZip64(file: Uint8Array): Uint8Array {
  const end = new DataView(file.buffer, file.byteOffset + file.byteLength - 22, 22);
  const directoryStart = end.getUint32(16, true);
  const old = new DataView(file.buffer, file.byteOffset + directoryStart, end.getUint32(12, true));
  const parts: Uint8Array[] = [];
  for (let at = 0; at < old.byteLength;) {
    const nameEnd = at + 46 + old.getUint16(at + 28, true);
    const entry = new Uint8Array(nameEnd - at + 28);
    entry.set(new Uint8Array(old.buffer, old.byteOffset + at, nameEnd - at));
    const view = new DataView(entry.buffer);
    view.setUint16(30, 28, true);
    view.setUint16(nameEnd - at, 1, true);
    view.setUint16(nameEnd - at + 2, 24, true);
    // The extra field holds unpacked size, stored size, offset, in this order.
    for (const [index, field] of [24, 20, 42].entries()) {
      view.setBigUint64(nameEnd - at + 4 + 8 * index, BigInt(view.getUint32(field, true)), true);
      view.setUint32(field, 0xffffffff, true);
    }
    parts.push(entry);
    at = nameEnd + old.getUint16(at + 30, true) + old.getUint16(at + 32, true);
  }
  const directorySize = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const tail = new DataView(new ArrayBuffer(56 + 20 + 22));
  tail.setUint32(0, 0x06064b50, true);
  tail.setBigUint64(40, BigInt(directorySize), true);
  tail.setBigUint64(48, BigInt(directoryStart), true);
  tail.setUint32(56, 0x07064b50, true);
  tail.setBigUint64(64, BigInt(directoryStart + directorySize), true);
  tail.setUint32(76, 0x06054b50, true);
  tail.setUint32(88, 0xffffffff, true);
  tail.setUint32(92, 0xffffffff, true);
  return Buffer.concat([file.subarray(0, directoryStart), ...parts, new Uint8Array(tail.buffer)]);
}

/** Bytes of float32 values. */
export function float32Bytes(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

function rowMajorStrides(shape: readonly number[]): number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((product, dimension) => product * dimension, 1));
}
