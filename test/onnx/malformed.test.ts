/** Broken files end in one sentence, never in a stack trace or a hang. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { ProtobufWriter } from '../../src/onnx/protobuf.ts';
import { decodeModel } from '../../src/onnx/read.ts';
import { encodeModel, joinChunks } from '../../src/onnx/write.ts';
import { arbitraryModel } from './arbitrary-model.ts';

/** Reads bytes that may be anything: a model comes out, or a DiffrateError of one sentence. */
function readsOrSays(bytes: Uint8Array): void {
  try {
    decodeModel(bytes, () => bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(DiffrateError);
    expect((error as Error).message.length).toBeGreaterThan(20);
  }
}

const encoded = arbitraryModel.map((model) => joinChunks(encodeModel(model).model));

/** A model whose graph is these fields. */
const withGraph = (graph: ProtobufWriter): Uint8Array => joinChunks(new ProtobufWriter().message(7, graph).chunks());
const withTensor = (tensor: ProtobufWriter): Uint8Array => withGraph(new ProtobufWriter().message(5, tensor));
const withAttribute = (attribute: ProtobufWriter): Uint8Array =>
  withGraph(new ProtobufWriter().message(1, new ProtobufWriter().message(5, attribute)));

describe('decodeModel', () => {
  it('survives any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), readsOrSays), { numRuns: 2000 });
  });

  it('survives truncation at every byte', () => {
    fc.assert(
      fc.property(encoded, (bytes) => {
        const step = Math.max(1, Math.floor(bytes.length / 200));
        for (let length = 0; length < bytes.length; length += step) readsOrSays(bytes.subarray(0, length));
      }),
      { numRuns: 20 },
    );
  });

  it('survives changed bytes', () => {
    const change = fc.tuple(fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(encoded, fc.array(change, { minLength: 1, maxLength: 8 }), (bytes, changes) => {
        const broken = bytes.slice();
        for (const [at, value] of changes) broken[at % Math.max(1, broken.length)] = value;
        readsOrSays(broken);
      }),
      { numRuns: 1000 },
    );
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /holds no graph; it is not an ONNX model/],
    [
      'text',
      new TextEncoder().encode('<!doctype html><html></html>'),
      /not a protobuf file|truncated|not an ONNX model/,
    ],
    ['a length beyond the end', Uint8Array.of(0x3a, 0x7f, 0x00), /ends inside field 7; it is truncated/],
    ['an unfinished number', Uint8Array.of(0x08, 0xff), /ends inside a number; it is truncated/],
    ['a number without end', new Uint8Array(40).fill(0xff), /more than 64 bits; it is not a protobuf file/],
    ['a wire type of old', Uint8Array.of(0x0b), /wire type 3; it is not a protobuf file/],
    [
      'half a float',
      withAttribute(new ProtobufWriter().string(1, 'a').bytes(7, new Uint8Array(6)).int(20, 6)),
      /ends inside a float of field 7/,
    ],
    [
      'an unfinished packed number',
      withTensor(new ProtobufWriter().bytes(1, Uint8Array.of(0x80)).int(2, 1)),
      /ends inside a number/,
    ],
    [
      'a packed number without end',
      withTensor(new ProtobufWriter().bytes(1, new Uint8Array(100_000).fill(0x80)).int(2, 1)),
      /more than 64 bits/,
    ],
    [
      'an unknown element type',
      withTensor(new ProtobufWriter().int(2, 99).string(8, 'w')),
      /tensor "w" is of the unknown element type 99/,
    ],
    ['strings', withTensor(new ProtobufWriter().int(2, 8).string(8, 'w')), /tensor "w" holds strings/],
    [
      'bytes that do not fit',
      withTensor(new ProtobufWriter().packedInts(1, [2, 3]).int(2, 1).string(8, 'w').bytes(9, new Uint8Array(20))),
      /"w" has 20 bytes where \[2, 3\] needs 24/,
    ],
    [
      'negative sizes',
      withTensor(new ProtobufWriter().packedInts(1, [-1, -1]).int(2, 1).string(8, 'w').bytes(9, new Uint8Array(4))),
      /"w" has 4 bytes where \[-1, -1\]/,
    ],
    [
      'a subgraph',
      withAttribute(new ProtobufWriter().string(1, 'then_branch').int(20, 5)),
      /attribute "then_branch" is of type 5/,
    ],
  ])('says what is wrong with %s', (_, bytes, message) => {
    expect(() => decodeModel(bytes)).toThrow(DiffrateError);
    expect(() => decodeModel(bytes)).toThrow(message);
  });

  it('refuses what it would otherwise lose: functions of the model and sparse weights', () => {
    const empty = new ProtobufWriter();
    const functions = joinChunks(new ProtobufWriter().message(7, empty).message(25, empty).chunks());
    expect(() => decodeModel(functions)).toThrow(/functions of its own, which are not read/);
    expect(() => decodeModel(withGraph(new ProtobufWriter().message(15, empty)))).toThrow(/sparse initializers/);
  });

  it('stays linear where a list of a hundred thousand is written one by one', () => {
    const attribute = new ProtobufWriter().string(1, 'axes').int(20, 7);
    for (let index = 0; index < 100_000; index++) attribute.int(8, index);
    const { nodes } = decodeModel(withAttribute(attribute));
    expect(nodes[0]?.attributes['axes']).toEqual({ ints: Array.from({ length: 100_000 }, (_, index) => index) });
  });
});
