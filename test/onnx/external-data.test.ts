/**
 * External data files: where tensors lie, that they come back, and that ONNX Runtime loads them
 * from disk.
 */
import { deepStrictEqual } from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { ModelProtoSchema } from 'onnx-buf';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import { decodeModel } from '../../src/onnx/read.ts';
import { encodeModel, joinChunks } from '../../src/onnx/write.ts';
import { arbitraryModel } from './arbitrary-model.ts';

const file = 'model.onnx_data';

/** `y = x + first + second`, the constants of 1,500 floats each. */
function sumModel(): OnnxModel {
  const weights = (name: string, value: (index: number) => number) => {
    const values = Float32Array.from({ length: 1500 }, (_, index) => value(index));
    return { name, type: 'float32' as const, shape: [1500], bytes: new Uint8Array(values.buffer) };
  };
  const node = (inputs: string[], output: string) => ({
    operator: 'Add',
    domain: '',
    name: output,
    inputs,
    outputs: [output],
    attributes: {},
  });
  return {
    irVersion: 9,
    producer: 'test',
    operatorSets: { '': 20 },
    graphName: 'g',
    nodes: [node(['x', 'first'], 't'), node(['t', 'second'], 'y')],
    initializers: [weights('first', (index) => index), weights('second', (index) => -2 * index)],
    inputs: [{ name: 'x', type: 'float32', shape: [1500] }],
    outputs: [{ name: 'y', type: 'float32', shape: [1500] }],
    metadata: {},
  };
}

/** A model with one tensor of four bytes whose location is written by onnx-buf. */
function located(entries: Readonly<Record<string, string>>): Uint8Array {
  const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
  const initializer = [{ name: 'x', dataType: 1, dims: [1n], externalData, dataLocation: 1 }];
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, { graph: { initializer } }));
}

describe('external data', () => {
  it('comes back, whatever the model', () => {
    fc.assert(
      fc.property(arbitraryModel, (model) => {
        const encoded = encodeModel(model, file);
        const data = joinChunks(encoded.externalData);
        deepStrictEqual(
          decodeModel(joinChunks(encoded.model), () => data),
          model,
        );
      }),
    );
  });

  it('lies on page boundaries, as onnx-buf reads it', () => {
    const encoded = encodeModel(sumModel(), file);
    const { graph } = fromBinary(ModelProtoSchema, joinChunks(encoded.model));
    const places = graph?.initializer.map((tensor) =>
      Object.fromEntries(tensor.externalData.map(({ key, value }) => [key, value])),
    );
    expect(places).toEqual([
      { location: file, offset: '0', length: '6000' },
      { location: file, offset: '8192', length: '6000' },
    ]);
    expect(graph?.initializer.map((tensor) => [tensor.dataLocation, tensor.rawData.length])).toEqual([
      [1, 0],
      [1, 0],
    ]);
    expect(joinChunks(encoded.externalData).length % 4096).toBe(0);
  });

  it('is loaded by ONNX Runtime from disk', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'diffrate-external-'));
    try {
      const encoded = encodeModel(sumModel(), file);
      await writeFile(join(folder, 'model.onnx'), joinChunks(encoded.model));
      await writeFile(join(folder, file), joinChunks(encoded.externalData));
      const session = await InferenceSession.create(join(folder, 'model.onnx'));
      const { y } = await session.run({ x: new Tensor('float32', new Float32Array(1500).fill(0.5), [1500]) });
      expect(y?.data).toEqual(Float32Array.from({ length: 1500 }, (_, index) => 0.5 - index));
      await session.release();
      const read = decodeModel(await readFile(join(folder, 'model.onnx')), () => joinChunks(encoded.externalData));
      expect(read).toStrictEqual(sumModel());
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is loaded by ONNX Runtime from memory', async () => {
    const encoded = encodeModel(sumModel(), file);
    const externalData = [{ path: file, data: joinChunks(encoded.externalData) }];
    const session = await InferenceSession.create(joinChunks(encoded.model), { externalData });
    const { y } = await session.run({ x: new Tensor('float32', new Float32Array(1500), [1500]) });
    expect(y?.data).toEqual(Float32Array.from({ length: 1500 }, (_, index) => 0 - index));
    await session.release();
  });

  it('defaults to the whole file', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4);
    expect(decodeModel(located({ location: file }), () => bytes).initializers[0]?.bytes).toEqual(bytes);
  });

  it.each(['../secret', '/etc/passwd', 'a/../../b', 'C:\\x', '\\\\host\\x', ''])(
    'is refused outside the folder: "%s"',
    (location) => {
      expect(() => decodeModel(located({ location }), () => new Uint8Array(4))).toThrow(
        /"x" lies in .* not a file in the model's folder/,
      );
    },
  );

  it.each([
    { offset: '-4', length: '4' },
    { offset: '0', length: '-4' },
    { offset: 'x', length: '4' },
    { offset: '8', length: '4' },
    { offset: '1e999', length: '4' },
  ])('is refused outside the file: $offset + $length', (place) => {
    const read = () => decodeModel(located({ location: file, ...place }), () => new Uint8Array(8));
    expect(read).toThrow(DiffrateError);
    expect(read).toThrow(/which has 8 bytes; it is truncated/);
  });

  it('says what to give where it is missing', () => {
    expect(() => decodeModel(located({ location: file }))).toThrow(
      /"x" lies in "model.onnx_data"; give the file's folder/,
    );
  });
});
