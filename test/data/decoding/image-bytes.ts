/** Image files by construction, and their pixels without what is dropped. */
import type { DecodedImage } from '../../../src/data/decoded-image.ts';

/** The pixels as `[height, width, 3]`. */
export function rgbOf({ data, width, height, channels }: DecodedImage): Uint8Array {
  if (channels === 3) return Uint8Array.from(data);
  return Uint8Array.from(
    { length: width * height * 3 },
    (_, index) => data[Math.floor(index / 3) * 4 + (index % 3)] ?? 0,
  );
}

/** What a TIFF is made of. */
export interface TiffSamples {
  readonly width: number;
  readonly height: number;
  /** Of a sample. */
  readonly bits: number;
  /** 1 grey, 3 colour. */
  readonly channels: number;
  /** Samples, interleaved, little-endian. */
  readonly data: Uint8Array;
  /** Default 1: none. */
  readonly compression?: number;
  /** 1 whole numbers (default), 3 floating point. */
  readonly format?: number;
}

/** A TIFF of one strip. */
export function tiffFile(samples: TiffSamples): Buffer {
  const { width, height, bits, channels, data, compression = 1, format = 1 } = samples;
  const [short, long] = [3, 4];
  const entries: [tag: number, type: number, value: number][] = [
    [256, long, width],
    [257, long, height],
    [258, short, bits],
    [259, short, compression],
    [262, short, channels === 1 ? 1 : 2],
    [273, long, 8],
    [277, short, channels],
    [278, long, height],
    [279, long, data.length],
    [339, short, format],
  ];
  const directory = Buffer.alloc(2 + 12 * entries.length + 4);
  directory.writeUInt16LE(entries.length, 0);
  const lists: Buffer[] = [];
  let listAt = 8 + data.length + directory.length;
  for (const [index, [tag, type, value]] of entries.entries()) {
    const at = 2 + 12 * index;
    // Bits and format are lists with one entry for each channel.
    const count = tag === 258 || tag === 339 ? channels : 1;
    directory.writeUInt16LE(tag, at);
    directory.writeUInt16LE(type, at + 2);
    directory.writeUInt32LE(count, at + 4);
    if (count * 2 <= 4 || type === long) {
      directory.writeUInt32LE(value, at + 8);
      continue;
    }
    directory.writeUInt32LE(listAt, at + 8);
    const list = Buffer.alloc(count * 2);
    for (let place = 0; place < count; place++) list.writeUInt16LE(value, place * 2);
    lists.push(list);
    listAt += list.length;
  }
  const header = Buffer.from([0x49, 0x49, 42, 0, 0, 0, 0, 0]);
  header.writeUInt32LE(8 + data.length, 4);
  return Buffer.concat([header, data, directory, ...lists]);
}
