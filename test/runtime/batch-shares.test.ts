/** Cutting a batch into shares and joining them, and how many copies of a model take shares. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinFirstAxis, shareSizes, sliceFirstAxis, TensorMemory } from '../../src/runtime/node/batch-shares.ts';
import { batchThreads } from '../../src/runtime/node/batch-threads.ts';
import { floats } from '../../src/runtime/runtime.ts';
import type { RuntimeTensor } from '../../src/runtime/runtime.ts';

/** Tensors of every kind whose values are their own places. */
function counted(images: number): Record<string, RuntimeTensor> {
  const places = Array.from({ length: images * 6 }, (_, index) => index);
  return {
    pixels: floats(Float32Array.from(places), [images, 3, 2]),
    index: { type: 'int64', shape: [images, 6], data: BigInt64Array.from(places, BigInt) },
    label: { type: 'uint8', shape: [images], data: Uint8Array.from(places.slice(0, images)) },
  };
}

describe('shares of a batch', () => {
  const images = fc.integer({ min: 1, max: 40 });
  const copies = fc.integer({ min: 1, max: 12 });

  it('are as equal as can be, never empty, and all of it', () => {
    fc.assert(
      fc.property(images, copies, (count, most) => {
        const sizes = shareSizes(count, most);
        expect(sizes.length).toBe(Math.min(count, most));
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(count);
        expect(Math.min(...sizes)).toBeGreaterThanOrEqual(1);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('joined are the batch', () => {
    fc.assert(
      fc.property(images, copies, (count, most) => {
        const batch = counted(count);
        let start = 0;
        const parts = shareSizes(count, most).map((size) => {
          const part = sliceFirstAxis(batch, start, size);
          start += size;
          return part;
        });
        expect(joinFirstAxis(parts)).toEqual(batch);
      }),
    );
  });

  it('cut are views', () => {
    const batch = counted(4);
    const { pixels } = sliceFirstAxis(batch, 1, 2);
    expect(pixels).toEqual(
      floats(
        Float32Array.from({ length: 12 }, (_, index) => 6 + index),
        [2, 3, 2],
      ),
    );
    expect(pixels?.data.buffer).toBe(batch['pixels']?.data.buffer);
  });
});

describe('memory for tensors', () => {
  it.each([
    ['shared', SharedArrayBuffer],
    ['own', ArrayBuffer],
  ] as const)('that is %s holds a copy of any size', (kind, memoryKind) => {
    const memory = new TensorMemory(kind);
    const buffers = [4, 4, 2, 5].map((images) => {
      const tensors = counted(images);
      const copies = memory.copy(tensors);
      expect(copies).toEqual(tensors);
      return copies['pixels']?.data.buffer;
    });
    expect(buffers[0]).toBeInstanceOf(memoryKind);
    // Only a batch that is larger than all before needs memory anew.
    expect(buffers.map((buffer) => buffer === buffers[0])).toEqual([true, true, true, false]);
  });

  it('is another one for another type under the same name', () => {
    const memory = new TensorMemory('own');
    memory.copy({ x: floats(Float32Array.of(1, 2), [2]) });
    const { x } = memory.copy({ x: { type: 'int32', shape: [2], data: Int32Array.of(7, 8) } });
    expect(x).toEqual({ type: 'int32', shape: [2], data: Int32Array.of(7, 8) });
  });
});

describe('cores for a batch', () => {
  const small = 23e6;
  it.each([
    ['one copy per core', { batch: 16, threads: 2 }, small, { copies: 2, threads: 1 }],
    ['at least four images per copy', { batch: 16, threads: 8 }, small, { copies: 4, threads: 2 }],
    ['a quarter of a gigabyte in all', { batch: 64, threads: 9 }, 88e6, { copies: 3, threads: 3 }],
    ['fewer copies that leave no core idle', { batch: 64, threads: 8 }, 88e6, { copies: 2, threads: 4 }],
    ['six cores', { batch: 16, threads: 6 }, small, { copies: 3, threads: 2 }],
    ['cores that copies do not divide', { batch: 16, threads: 7 }, small, undefined],
    ['a core that stays idle among many', { batch: 16, threads: 13 }, small, { copies: 4, threads: 3 }],
    ['one image', { batch: 1, threads: 8 }, small, undefined],
    ['seven images', { batch: 7, threads: 8 }, small, undefined],
    ['no batch said', { threads: 8 }, small, undefined],
    ['one core', { batch: 16, threads: 1 }, small, undefined],
    ['a large model', { batch: 64, threads: 8 }, 346e6, undefined],
    ['a GPU', { batch: 16, threads: 8, device: 'webgpu' }, small, undefined],
    ['a profile', { batch: 16, threads: 8, profilePrefix: 'profile' }, small, undefined],
  ])('%s', (_, options, bytes, expected) => {
    expect(batchThreads(options, bytes)).toEqual(expected);
  });
});
