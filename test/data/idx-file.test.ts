/**
 * IDX files: what was written is read, gzipped or not, and what is damaged is refused in one
 * sentence.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { encodeIdx, parseIdxHeader, readIdxFile } from '../../src/data/idx-file.ts';
import { DiffrateError } from '../../src/errors.ts';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-idx-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function put(bytes: Uint8Array): string {
  const file = join(directory, 'file');
  writeFileSync(file, bytes);
  return file;
}

async function refusal(bytes: Uint8Array): Promise<string> {
  const error: unknown = await readIdxFile(put(bytes)).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DiffrateError);
  const message = error instanceof Error ? error.message : '';
  expect(message).toMatch(/^[^\n]+\.$/);
  return message;
}

const array = fc
  .array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 })
  .chain((dimensions) =>
    fc
      .uint8Array({ minLength: product(dimensions), maxLength: product(dimensions) })
      .map((data) => ({ dimensions, data })),
  );

function product(dimensions: readonly number[]): number {
  return dimensions.reduce((total, dimension) => total * dimension, 1);
}

test('any array comes back, gzipped or not', async () => {
  await fc.assert(
    fc.asyncProperty(array, fc.boolean(), async ({ dimensions, data }, gzipped) => {
      const bytes = encodeIdx({ dimensions, data });
      const read = await readIdxFile(put(gzipped ? gzipSync(bytes) : bytes));
      expect(read.dimensions).toEqual(dimensions);
      expect(Array.from(read.data)).toEqual(Array.from(data));
    }),
    { numRuns: 60 },
  );
});

test('any cut, and anything that follows the values, is refused', async () => {
  await fc.assert(
    fc.asyncProperty(array, fc.boolean(), fc.nat(), async ({ dimensions, data }, gzipped, where) => {
      const bytes = encodeIdx({ dimensions, data });
      const wrap = (part: Uint8Array): Uint8Array => (gzipped ? gzipSync(part) : part);
      const cut = await refusal(wrap(bytes.subarray(0, where % bytes.length)));
      expect(cut).toMatch(/ends after \d+ bytes, within its header|only \d+ are there/);
      expect(await refusal(wrap(Buffer.concat([bytes, new Uint8Array(1 + (where % 3))])))).toMatch(/more are there/);
    }),
    { numRuns: 60 },
  );
});

test('any bytes are a header, the beginning of one, or refused in one sentence', () => {
  const almost = fc.tuple(fc.constantFrom(0, 0, 0, 1), fc.constantFrom(0, 0, 2), fc.constantFrom(8, 8, 9), fc.nat(4));
  fc.assert(
    fc.property(almost, fc.uint8Array({ maxLength: 24 }), (magic, rest) => {
      const bytes = Uint8Array.from([...magic, ...rest]);
      try {
        const header = parseIdxHeader(bytes, 'file');
        if (header === undefined) expect(bytes.length).toBeLessThan(4 + 4 * magic[3]);
        else {
          expect(header.dimensions.length).toBe(magic[3]);
          expect(header.headerBytes).toBe(4 + 4 * magic[3]);
          expect(header.dataBytes).toBe(product(header.dimensions));
          expect(header.dataBytes).toBeGreaterThan(0);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(DiffrateError);
        expect(String(error)).toMatch(/^DiffrateError: [^\n]+\.$/);
      }
    }),
  );
});

const image = encodeIdx({ dimensions: [2, 2, 2], data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) });

function withByte(position: number, value: number): Uint8Array {
  const bytes = image.slice();
  bytes[position] = value;
  return bytes;
}

test.each<[string, Uint8Array, RegExp]>([
  ['another magic number', withByte(0, 0x89), /begins with 89 00 08 03, not with 00 00 08/],
  ['values that are no unsigned bytes', withByte(2, 0x0d), /begins with 00 00 0d 03/],
  ['no dimensions', withByte(3, 0), /is not an IDX file/],
  ['a dimension of 0', withByte(7, 0), /promises 0×2×2 values, which is nothing/],
  ['a count that lies', withByte(7, 3), /promises 3×2×2 = 12 bytes, but only 8 are there/],
  ['a count that lies by billions', withByte(4, 0x3f), /promises \d+×2×2 = 4227858440 bytes, but only 8 are there/],
  ['a promise of more than 4 GiB', withByte(8, 0xff), /more than 4 GiB/],
  ['an empty file', new Uint8Array(0), /ends after 0 bytes/],
  ['a text', Buffer.from('file,label\n'), /is not an IDX file/],
  ['a damaged gzip file', gzipSync(image).subarray(0, 20), /Cannot read the IDX file '.*' \(unexpected end of file\)/],
])('%s is refused', async (_, bytes, expected) => {
  expect(await refusal(bytes)).toMatch(expected);
});

test('a gzip file that unpacks to more than its header promises is left at once', async () => {
  const packed = gzipSync(Buffer.concat([image, new Uint8Array(50e6)]));
  // Whoever reads on finds that it is cut short.
  expect(await refusal(packed.subarray(0, packed.length / 2))).toMatch(/promises 2×2×2 = 8 bytes, but more are there/);
});

test('a file that is not there is named', async () => {
  await expect(readIdxFile(join(directory, 'nowhere'))).rejects.toThrow(/Cannot read the IDX file '.*nowhere'/);
});
