/** Safetensors: round trips, every lie a header can tell, and mutated files. */
import * as fc from 'fast-check';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { readSafetensors, writeSafetensors } from '../../src/checkpoints/safetensors-file.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/checkpoints/safetensors.ts';
import {
  elementCount,
  elementSize,
  float32Tensor,
  float32Values,
  type Weights,
  type WeightType,
} from '../../src/checkpoints/weights.ts';

const TYPES: readonly WeightType[] = ['float32', 'float16', 'bfloat16', 'float64', 'int64', 'int32', 'uint8', 'bool'];

const anyWeights: fc.Arbitrary<Weights> = fc
  .array(
    fc
      .record({
        name: fc.string({ unit: 'binary', maxLength: 12 }).filter((name) => name !== '__metadata__'),
        type: fc.constantFrom(...TYPES),
        shape: fc.array(fc.nat(4), { maxLength: 4 }),
      })
      .chain(({ name, type, shape }) => {
        const length = (elementCount(shape) ?? 0) * elementSize(type);
        return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => ({ name, type, shape, bytes }));
      }),
    { maxLength: 6 },
  )
  .map((tensors) => new Map(tensors.map((tensor) => [tensor.name, tensor])));

/** A file with this header text (or bytes) and so many bytes of data. */
function fileOf(header: string | Uint8Array, dataSize = 0, length?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + text.byteLength + dataSize);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(text.byteLength), true);
  file.set(text, 8);
  return file;
}

function entry(fields: object = {}): object {
  return { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...fields };
}

function sorted(weights: Weights): unknown[] {
  return [...weights.values()]
    .map((tensor) => ({ ...tensor, bytes: [...tensor.bytes] }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffrate-safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('round trip', () => {
  it('returns what was written, in memory', () => {
    fc.assert(
      fc.property(anyWeights, (weights) => {
        expect(sorted(decodeSafetensors(encodeSafetensors(weights, { format: 'pt' }), 'x'))).toEqual(sorted(weights));
      }),
    );
  });

  it('returns what was written, on disk, and leaves no other file', async () => {
    await fc.assert(
      fc.asyncProperty(anyWeights, async (weights) => {
        const path = join(folder, 'round.safetensors');
        await writeSafetensors(path, weights);
        expect(await readFile(path)).toEqual(Buffer.from(encodeSafetensors(weights)));
        expect(sorted(await readSafetensors(path))).toEqual(sorted(weights));
        expect(await readdir(folder)).toEqual(['round.safetensors']);
      }),
      { numRuns: 20 },
    );
  });

  it('keeps every tensor aligned to its element', () => {
    fc.assert(
      fc.property(anyWeights, (weights) => {
        for (const { type, bytes } of decodeSafetensors(encodeSafetensors(weights), 'x').values()) {
          if (bytes.byteLength > 0) expect(bytes.byteOffset % elementSize(type)).toBe(0);
        }
      }),
    );
  });

  it('aligns tensors on disk behind a header of odd length', async () => {
    const path = join(folder, 'odd.safetensors');
    const header = JSON.stringify({ a: entry() });
    const file = fileOf(header.padEnd(header.length + 1 - (header.length % 2)), 8);
    await writeFile(path, file);
    const tensor = (await readSafetensors(path)).get('a');
    expect(file.byteLength % 2).toBe(1);
    expect((tensor?.bytes.byteOffset ?? 1) % 4).toBe(0);
    await rm(path);
  });

  it('refuses to write tensors whose bytes do not fit, or where it may not', async () => {
    const short = new Map([['a', { ...float32Tensor('a', [2], new Float32Array(2)), shape: [3] }]]);
    expect(() => encodeSafetensors(short)).toThrow(/tensor "a" \(float32 \[3\], 8 bytes\)/);
    await mkdir(join(folder, 'taken'));
    await expect(writeSafetensors(join(folder, 'taken'), new Map())).rejects.toThrow(DiffrateError);
    expect(await readdir(folder)).not.toContainEqual(expect.stringContaining('partial'));
  });
});

describe('a bad file', () => {
  const deep = '['.repeat(100_000);
  const cases: [string, Uint8Array, RegExp][] = [
    ['is empty', new Uint8Array(), /0 bytes, too few/],
    ['ends in the length', new Uint8Array(7), /7 bytes, too few/],
    ['has a header beyond its end', fileOf('{}', 0, 3n), /header length 3 lies beyond/],
    ['has an enormous header length', fileOf('{}', 0, 2n ** 64n - 1n), /lies beyond/],
    ['has a header above the limit', fileOf('{}', 9 * 2 ** 20, 9n * 2n ** 20n), /above the limit/],
    ['has a header that is not JSON', fileOf('{"a":'), /not JSON/],
    ['has a header that is not UTF-8', fileOf(Uint8Array.of(0x7b, 0xff, 0x7d)), /not JSON/],
    ['has a header nested deeply', fileOf(deep), /not JSON/],
    ['has a list as header', fileOf('[]'), /not a JSON object/],
    [
      'names a tensor twice',
      fileOf(`{"a":${JSON.stringify(entry())},"\\u0061":${JSON.stringify(entry())}}`, 8),
      /"a" is listed twice/,
    ],
    [
      'has an unknown dtype',
      fileOf(JSON.stringify({ a: entry({ dtype: 'F8_E4M3' }) }), 8),
      /"a" in x\.st has the unsupported dtype "F8_E4M3"/,
    ],
    [
      'has no dtype',
      fileOf(JSON.stringify({ a: entry({ dtype: undefined }) }), 8),
      /"a" in x\.st has the unsupported dtype/,
    ],
    ['has null for a tensor', fileOf('{"a":null}'), /"a"/],
    ['has no shape', fileOf(JSON.stringify({ a: entry({ shape: '2' }) }), 8), /"a" has no valid shape/],
    ['has a negative dimension', fileOf(JSON.stringify({ a: entry({ shape: [-2] }) }), 8), /impossible shape \[-2\]/],
    [
      'has an overflowing shape',
      fileOf(JSON.stringify({ a: entry({ shape: [2 ** 40, 2 ** 40] }) }), 8),
      /impossible shape/,
    ],
    ['has one offset', fileOf(JSON.stringify({ a: entry({ data_offsets: [0] }) }), 8), /no valid data_offsets/],
    [
      'has offsets in reverse',
      fileOf(JSON.stringify({ a: entry({ data_offsets: [8, 0] }) }), 8),
      /no valid data_offsets/,
    ],
    [
      'has negative offsets',
      fileOf(JSON.stringify({ a: entry({ data_offsets: [-8, 0] }) }), 8),
      /no valid data_offsets/,
    ],
    ['has truncated data', fileOf(JSON.stringify({ a: entry() }), 7), /"a" ends at byte 8 of only 7/],
    [
      'has a shape that does not match',
      fileOf(JSON.stringify({ a: entry({ shape: [3] }) }), 8),
      /"a" of shape \[3\] and dtype F32 has 8 bytes/,
    ],
    [
      'has a dtype that does not match',
      fileOf(JSON.stringify({ a: entry({ dtype: 'F16' }) }), 8),
      /dtype F16 has 8 bytes/,
    ],
    [
      'has overlapping tensors',
      fileOf(JSON.stringify({ a: entry(), b: entry({ data_offsets: [4, 12] }) }), 12),
      /"b" overlaps/,
    ],
    [
      'has a hole',
      fileOf(JSON.stringify({ a: entry({ data_offsets: [4, 12] }) }), 12),
      /bytes 0 to 4 before tensor "a"/,
    ],
    ['has bytes left over', fileOf(JSON.stringify({ a: entry() }), 9), /cover 8 of 9/],
  ];

  it.each(cases)('that %s gives one sentence', async (_, file, message) => {
    expect(() => decodeSafetensors(file, 'x.st')).toThrow(message);
    expect(() => decodeSafetensors(file, 'x.st')).toThrow(DiffrateError);
    const path = join(folder, 'x.st');
    await writeFile(path, file);
    const error: unknown = await readSafetensors(path).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DiffrateError);
    expect(String(error)).toContain(path);
  });

  it('that is missing, or a folder, gives one sentence', async () => {
    await expect(readSafetensors(join(folder, 'nothing'))).rejects.toThrow(DiffrateError);
    await expect(readSafetensors(folder)).rejects.toThrow(/is not a regular file/);
  });

  it('takes "__proto__" for a name like any other', () => {
    const weights = new Map([['__proto__', float32Tensor('__proto__', [1], Float32Array.of(7))]]);
    expect(sorted(decodeSafetensors(encodeSafetensors(weights), 'x'))).toEqual(sorted(weights));
  });

  it('mutated at random gives weights or a DiffrateError, nothing else', () => {
    const whole = encodeSafetensors(
      new Map([
        ['a', float32Tensor('a', [2, 3], new Float32Array(6))],
        ['b', float32Tensor('b', [], new Float32Array(1))],
      ]),
    );
    const mutation = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(mutation, { maxLength: 4 }), fc.nat(whole.length), (mutations, length) => {
        const file = whole.slice(0, length % 3 === 0 ? length : whole.length);
        for (const [position, value] of mutations) if (position < file.length) file[position] = value;
        try {
          for (const { shape, type, bytes } of decodeSafetensors(file, 'x').values()) {
            expect(bytes.byteLength).toBe((elementCount(shape) ?? -1) * elementSize(type));
          }
        } catch (error) {
          expect(error).toBeInstanceOf(DiffrateError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

const real = join(process.env['DIFFRATE_DATA'] ?? '../shared/data', 'weights/deit_tiny_patch16_224.safetensors');
if (!existsSync(real)) console.warn(`Skipped: ${real} is missing (set DIFFRATE_DATA).`);
describe.skipIf(!existsSync(real))('DeiT-Tiny', () => {
  it('has 5.7 M finite parameters in timm names', async () => {
    const weights = await readSafetensors(real);
    const parameters = [...weights.values()].reduce((sum, { shape }) => sum + (elementCount(shape) ?? 0), 0);
    expect(parameters).toBe(5_717_416);
    expect(weights.get('blocks.11.attn.qkv.weight')?.shape).toEqual([576, 192]);
    for (const tensor of weights.values()) expect(float32Values(tensor).every(Number.isFinite)).toBe(true);
  });
});
