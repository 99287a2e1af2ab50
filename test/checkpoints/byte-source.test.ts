/** Byte sources: ranges inside are served, ranges outside are errors, files are closed. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { memorySource, withFileSource, type ByteSource } from '../../src/checkpoints/byte-source.ts';

const BYTES = Uint8Array.of(1, 2, 3, 4, 5);

async function check(source: ByteSource): Promise<void> {
  expect(source.size).toBe(5);
  expect([...(await source.read(1, 3))]).toEqual([2, 3, 4]);
  expect([...(await source.read(5, 0))]).toEqual([]);
  for (const [offset, length] of [
    [0, 6],
    [5, 1],
    [-1, 2],
    [0, -1],
    [2 ** 60, 2 ** 60],
    [0.5, 1],
    [NaN, 1],
  ] as const) {
    await expect(source.read(offset, length)).rejects.toThrow(/is truncated or damaged/);
  }
}

describe('a byte source', () => {
  it('of memory gives views', async () => {
    await check(memorySource('x', BYTES));
    expect((await memorySource('x', BYTES).read(1, 1)).buffer).toBe(BYTES.buffer);
  });

  it('of a file gives its bytes while it is open', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'diffrate-bytes-'));
    const path = join(folder, 'x');
    await writeFile(path, BYTES);
    const kept = await withFileSource(path, async (source) => {
      await check(source);
      return source;
    });
    await expect(kept.read(0, 1)).rejects.toThrow(DiffrateError);
    await expect(withFileSource(folder, check)).rejects.toThrow(/is not a regular file/);
    await rm(folder, { recursive: true });
  });
});
