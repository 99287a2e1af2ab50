/**
 * The file format against an independent implementation: onnx-buf, generated from the official
 * onnx.proto.
 */
import { deepStrictEqual } from 'node:assert/strict';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { AttributeProto_AttributeType, ModelProtoSchema, TensorProto_DataType } from 'onnx-buf';
import type { TensorProto } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { elementTypeNumbers } from '../../src/onnx/model.ts';
import type { OnnxAttribute, OnnxModel, OnnxTensor, OnnxValue } from '../../src/onnx/model.ts';
import { decodeModel } from '../../src/onnx/read.ts';
import { encodeModel, joinChunks } from '../../src/onnx/write.ts';
import { arbitraryModel } from './arbitrary-model.ts';

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
type Message = ReturnType<typeof fromBinary<typeof ModelProtoSchema>>;
type Graph = NonNullable<Message['graph']>;
type Attribute = Graph['node'][number]['attribute'][number];

/** What onnx-buf read, in the form of our own model; the conversion knows nothing of bytes. */
function asModel(message: Message): OnnxModel {
  const graph = message.graph as Graph;
  return {
    irVersion: Number(message.irVersion),
    producer: message.producerName,
    operatorSets: Object.fromEntries(message.opsetImport.map(({ domain, version }) => [domain, Number(version)])),
    graphName: graph.name,
    nodes: graph.node.map((node) => ({
      operator: node.opType,
      domain: node.domain,
      name: node.name,
      inputs: node.input,
      outputs: node.output,
      attributes: Object.fromEntries(node.attribute.map((attribute) => [attribute.name, asAttribute(attribute)])),
    })),
    initializers: graph.initializer.map(asTensor),
    inputs: graph.input.map(asValue),
    outputs: graph.output.map(asValue),
    metadata: Object.fromEntries(message.metadataProps.map(({ key, value }) => [key, value])),
  };
}

const typeNamed = (number: number): OnnxTensor['type'] =>
  (Object.entries(elementTypeNumbers).find(([, value]) => value === number) as [OnnxTensor['type'], number])[0];

function asTensor(tensor: TensorProto): OnnxTensor {
  return { name: tensor.name, type: typeNamed(tensor.dataType), shape: tensor.dims.map(Number), bytes: tensor.rawData };
}

function asAttribute(attribute: Attribute): OnnxAttribute {
  switch (attribute.type) {
    case AttributeProto_AttributeType.FLOAT:
      return { float: attribute.f };
    case AttributeProto_AttributeType.INT:
      return { int: Number(attribute.i) };
    case AttributeProto_AttributeType.STRING:
      return { string: utf8.decode(attribute.s) };
    case AttributeProto_AttributeType.TENSOR:
      return { tensor: asTensor(attribute.t as TensorProto) };
    case AttributeProto_AttributeType.FLOATS:
      return { floats: attribute.floats };
    case AttributeProto_AttributeType.INTS:
      return { ints: attribute.ints.map(Number) };
    default:
      throw new Error(`unexpected attribute type ${attribute.type}`);
  }
}

function asValue(value: Graph['input'][number]): OnnxValue {
  const type = value.type?.value;
  if (type?.case !== 'tensorType') throw new Error(`unexpected type ${type?.case}`);
  const shape = type.value.shape?.dim.map((size) =>
    size.value.case === 'dimValue' ? Number(size.value.value) : String(size.value.value),
  );
  return { name: value.name, type: typeNamed(type.value.elemType), shape: shape ?? [] };
}

const readByOracle = (bytes: Uint8Array): OnnxModel => asModel(fromBinary(ModelProtoSchema, bytes));

/** A model of one initialiser as onnx-buf writes it. */
function withInitializer(
  tensor: { dataType: number; dims: number[] } & Partial<Omit<TensorProto, 'dims' | 'dataType' | '$typeName'>>,
): Uint8Array {
  const initializer = [{ name: 'x', ...tensor, dims: tensor.dims.map(BigInt) }];
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 9n, graph: { initializer } }));
}

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

describe('onnx-buf', () => {
  it('reads what encodeModel writes', () => {
    fc.assert(
      fc.property(arbitraryModel, (model) => {
        deepStrictEqual(readByOracle(joinChunks(encodeModel(model).model)), model);
      }),
      { numRuns: 200 },
    );
  });

  it('writes what decodeModel reads', () => {
    fc.assert(
      fc.property(arbitraryModel, (model) => {
        const message = fromBinary(ModelProtoSchema, joinChunks(encodeModel(model).model));
        deepStrictEqual(decodeModel(toBinary(ModelProtoSchema, message)), model);
      }),
      { numRuns: 200 },
    );
  });

  it('knows the same numbers of element types', () => {
    const official = { float32: 'FLOAT', float64: 'DOUBLE' } as Readonly<Record<string, string>>;
    for (const [name, number] of Object.entries(elementTypeNumbers)) {
      expect(TensorProto_DataType[number]).toBe(official[name] ?? name.toUpperCase());
    }
  });
});

describe('decodeModel reads the typed fields of tensors', () => {
  const cases: readonly [string, Parameters<typeof withInitializer>[0], ArrayBufferView][] = [
    ['float_data', { dataType: 1, dims: [3], floatData: [1.5, -2, 0.1] }, Float32Array.of(1.5, -2, 0.1)],
    ['double_data', { dataType: 11, dims: [2], doubleData: [Math.PI, -1e300] }, Float64Array.of(Math.PI, -1e300)],
    ['int64_data', { dataType: 7, dims: [2], int64Data: [2n ** 63n - 1n, -5n] }, BigInt64Array.of(2n ** 63n - 1n, -5n)],
    ['int32_data of int32', { dataType: 6, dims: [2], int32Data: [-7, 2147483647] }, Int32Array.of(-7, 2147483647)],
    ['int32_data of int8', { dataType: 3, dims: [2], int32Data: [-7, 127] }, Int8Array.of(-7, 127)],
    ['int32_data of bool', { dataType: 9, dims: [3], int32Data: [1, 0, 1] }, Uint8Array.of(1, 0, 1)],
    ['int32_data of float16', { dataType: 10, dims: [2], int32Data: [0x3c00, 0xc000] }, Uint16Array.of(0x3c00, 0xc000)],
    ['raw_data', { dataType: 1, dims: [1, 1], rawData: new Uint8Array(Float32Array.of(7).buffer) }, Float32Array.of(7)],
    ['an empty tensor', { dataType: 1, dims: [0, 4] }, new Uint8Array(0)],
  ];
  it.each(cases)('%s', (_, tensor, expected) => {
    const [read] = decodeModel(withInitializer(tensor)).initializers;
    expect(read?.shape).toEqual(tensor.dims);
    expect([...(read as OnnxTensor).bytes]).toEqual([...bytesOf(expected)]);
  });

  it('and of attributes without the values that proto3 leaves out', () => {
    const attribute = [
      { name: 'zero', type: AttributeProto_AttributeType.INT },
      { name: 'none', type: AttributeProto_AttributeType.FLOAT },
      { name: 'empty', type: AttributeProto_AttributeType.STRING },
      { name: 'list', type: AttributeProto_AttributeType.INTS },
    ];
    const bytes = toBinary(
      ModelProtoSchema,
      create(ModelProtoSchema, { graph: { node: [{ opType: 'X', attribute }] } }),
    );
    expect(decodeModel(bytes).nodes[0]?.attributes).toEqual({
      zero: { int: 0 },
      none: { float: 0 },
      empty: { string: '' },
      list: { ints: [] },
    });
  });
});
