/** What the writer writes the reader reads back, and what neither may copy stays where it was. */
import { deepStrictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OnnxModel, OnnxTensor } from '../../src/onnx/model.ts';
import { decodeModel } from '../../src/onnx/read.ts';
import { encodeModel, joinChunks } from '../../src/onnx/write.ts';
import { arbitraryModel } from './arbitrary-model.ts';

const emptyModel: OnnxModel = {
  irVersion: 9,
  producer: 'test',
  operatorSets: { '': 20 },
  graphName: 'g',
  nodes: [],
  initializers: [],
  inputs: [],
  outputs: [],
  metadata: {},
};

const tensorOf = (name: string, bytes: number): OnnxTensor => ({
  name,
  type: 'uint8',
  shape: [bytes],
  bytes: Uint8Array.from({ length: bytes }, (_, index) => index & 255),
});

const writtenAndRead = (model: OnnxModel): OnnxModel => decodeModel(joinChunks(encodeModel(model).model));

describe('encodeModel and decodeModel', () => {
  it('are inverse', () => {
    fc.assert(
      fc.property(arbitraryModel, (model) => {
        deepStrictEqual(writtenAndRead(model), model);
      }),
      { numRuns: 200 },
    );
  });

  it('are inverse for bytes that lie inside a larger Buffer, as files do', () => {
    fc.assert(
      fc.property(arbitraryModel, fc.nat(17), (model, offset) => {
        const bytes = joinChunks(encodeModel(model).model);
        const file = Buffer.alloc(bytes.length + offset + 5, 0xa5);
        file.set(bytes, offset);
        deepStrictEqual(decodeModel(file.subarray(offset, offset + bytes.length)), model);
      }),
      { numRuns: 50 },
    );
  });

  it('keep the largest and smallest integers that have no exact number', () => {
    const attributes = { end: { int: Number(2n ** 63n - 1n) }, ends: { ints: [-(2 ** 63), 2 ** 63] } };
    const node = { operator: 'Slice', domain: '', name: '', inputs: [], outputs: [], attributes };
    expect(writtenAndRead({ ...emptyModel, nodes: [node] }).nodes[0]?.attributes).toEqual(attributes);
  });

  it('keep a protobuf message whole where fields pass the lengths at which their encoding grows', () => {
    for (const length of [0, 1, 127, 128, 1023, 1024, 1025, 16383, 16384, 70_000]) {
      const model = { ...emptyModel, initializers: [tensorOf('x', length)], producer: 'p'.repeat(length) };
      deepStrictEqual(writtenAndRead(model), model, `${length} bytes`);
    }
  });
});

describe('weights', () => {
  it('are the very same arrays in the chunks of the encoding', () => {
    const initializers = [tensorOf('a', 5000), tensorOf('b', 2000)];
    const inline = encodeModel({ ...emptyModel, initializers }).model;
    const external = encodeModel({ ...emptyModel, initializers }, 'model.onnx_data');
    for (const { bytes } of initializers) {
      expect(inline.filter((chunk) => chunk === bytes)).toHaveLength(1);
      expect(external.externalData.filter((chunk) => chunk === bytes)).toHaveLength(1);
      expect(external.model.filter((chunk) => chunk === bytes)).toHaveLength(0);
    }
  });

  it('are views of the file when read', () => {
    const file = joinChunks(encodeModel({ ...emptyModel, initializers: [tensorOf('a', 5000)] }).model);
    expect(decodeModel(file).initializers[0]?.bytes.buffer).toBe(file.buffer);
  });

  it('do not make the encoding of a large model larger than its description', () => {
    // 1.6 GB of weights, all the same memory: joining or copying them would need as much again.
    const weight = new Uint8Array(16_000_000);
    const initializers = Array.from({ length: 100 }, (_, index) => ({
      ...tensorOf(`w${index}`, 0),
      shape: [16_000_000],
      bytes: weight,
    }));
    const { model, externalData } = encodeModel({ ...emptyModel, initializers });
    expect(externalData).toEqual([]);
    const described = model.filter((chunk) => chunk !== weight).reduce((sum, chunk) => sum + chunk.length, 0);
    expect(described).toBeLessThan(10_000);
  });

  it('go to an external file by themselves where protobuf could not hold them', () => {
    const weight = new Uint8Array(100_000_000);
    const initializers = Array.from({ length: 20 }, (_, index) => ({
      ...tensorOf(`w${index}`, 0),
      shape: [100_000_000],
      bytes: weight,
    }));
    const { model, externalData } = encodeModel({ ...emptyModel, initializers });
    expect(externalData.filter((chunk) => chunk === weight)).toHaveLength(20);
    expect(model.reduce((sum, chunk) => sum + chunk.length, 0)).toBeLessThan(10_000);
  });
});
