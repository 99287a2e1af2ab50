/** Builds files of PyTorch's sequence format, as `torch.save` wrote them before 1.6. */
import { Persistent, Tuple, type PickleValue, pickle } from './pickle-writer.ts';
import { Global } from './pickle-writer.ts';

/** How a file differs from what PyTorch writes. */
export interface SequenceChanges {
  readonly littleEndian?: boolean;
  readonly version?: number;
  /** Keys of storages, by default those that there are. */
  readonly keys?: readonly string[];
}

/**
 * A file of the pickled `root`.
 * @param storages their bytes per element and raw bytes, by key.
 */
export function pytorchSequence(
  root: PickleValue,
  storages: Readonly<Record<string, { readonly elementSize: number; readonly bytes: Uint8Array }>>,
  { littleEndian = true, version = 1001, keys = Object.keys(storages) }: SequenceChanges = {},
): Uint8Array {
  const machine = new Map<PickleValue, PickleValue>([
    ['protocol_version', version],
    ['little_endian', littleEndian],
    ['type_sizes', new Map([['int', 4]])],
  ]);
  const magic = Uint8Array.of(0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e);
  const parts = [magic, pickle(version), pickle(machine), pickle(root), pickle([...keys])];
  for (const { elementSize, bytes } of Object.values(storages)) {
    const count = new Uint8Array(8);
    new DataView(count.buffer).setBigInt64(0, BigInt(bytes.byteLength / elementSize), true);
    parts.push(count, bytes);
  }
  return Uint8Array.from(Buffer.concat(parts));
}

/** A part of the storage `key`, as PyTorch wrote views before 0.4. */
export function storageView(key: string, elements: number, offset: number, length: number): Persistent {
  const view = new Tuple(`${key}-${offset}`, offset, length);
  return new Persistent(new Tuple('storage', new Global('torch', 'FloatStorage'), key, 'cpu', elements, view));
}
