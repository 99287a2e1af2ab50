/**
 * Random `OnnxModel` values for fast-check: anything the writer can be given, valid for an engine
 * or not.
 */
import * as fc from 'fast-check';
import { elementTypeBytes } from '../../src/onnx/model.ts';
import type {
  Dimension,
  ElementType,
  OnnxAttribute,
  OnnxModel,
  OnnxNode,
  OnnxTensor,
  OnnxValue,
} from '../../src/onnx/model.ts';

/**
 * Names of any Unicode text, with those among them that JavaScript objects or decoders trip over.
 */
const name = fc.oneof(
  { weight: 8, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'toString', '\uFEFFbom', '') },
);

const tensorType = fc.constantFrom(
  ...(Object.keys(elementTypeBytes) as ElementType[]).filter((type) => type !== 'string'),
);

const float32 = fc.float({ noNaN: true });
const integer = fc.maxSafeInteger();

/** A tensor; a few of them are larger than the writer's limit for copying. */
export const arbitraryTensor: fc.Arbitrary<OnnxTensor> = fc
  .tuple(name, tensorType, fc.array(fc.nat(5), { maxLength: 4 }), fc.constantFrom(1, 1, 1, 300), fc.integer())
  .map(([tensorName, type, sizes, factor, seed]) => {
    const shape = [...sizes, factor];
    const length = shape.reduce((product, size) => product * size, 1) * elementTypeBytes[type];
    return {
      name: tensorName,
      type,
      shape,
      bytes: Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 255),
    };
  });

const attribute: fc.Arbitrary<OnnxAttribute> = fc.oneof(
  integer.map((int) => ({ int })),
  float32.map((float) => ({ float })),
  name.map((string) => ({ string })),
  fc.array(integer, { maxLength: 5 }).map((ints) => ({ ints })),
  fc.array(float32, { maxLength: 5 }).map((floats) => ({ floats })),
  arbitraryTensor.map((tensor) => ({ tensor })),
);

/** An object with own properties of any name, `__proto__` too. */
const record = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> =>
  fc.array(fc.tuple(name, value), { maxLength: 4 }).map((entries) => Object.fromEntries(entries));

/** Plain objects, as our own code makes them. */
const object = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(fields, { noNullPrototype: true });

const node: fc.Arbitrary<OnnxNode> = object({
  operator: name,
  domain: name,
  name,
  inputs: fc.array(name, { maxLength: 4 }),
  outputs: fc.array(name, { maxLength: 3 }),
  attributes: record(attribute),
});

const dimension: fc.Arbitrary<Dimension> = fc.oneof(fc.nat(10_000), name);

const value: fc.Arbitrary<OnnxValue> = object({
  name,
  type: fc.constantFrom(...(Object.keys(elementTypeBytes) as ElementType[])),
  shape: fc.array(dimension, { maxLength: 4 }),
});

/** A model with everything an `OnnxModel` can hold. */
export const arbitraryModel: fc.Arbitrary<OnnxModel> = object({
  irVersion: fc.nat(100),
  producer: name,
  operatorSets: record(fc.nat(1000)),
  graphName: name,
  nodes: fc.array(node, { maxLength: 4 }),
  initializers: fc.array(arbitraryTensor, { maxLength: 4 }),
  inputs: fc.array(value, { maxLength: 3 }),
  outputs: fc.array(value, { maxLength: 3 }),
  metadata: record(name),
});
