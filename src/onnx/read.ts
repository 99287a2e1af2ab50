/** Reads a `ModelProto` into an `OnnxModel`; tensors are views of the given bytes. */
import { DiffrateError } from '../errors.ts';
import { elementTypeBytes, elementTypeNumbers } from './model.ts';
import type { Dimension, ElementType, OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor, OnnxValue } from './model.ts';
import { bigIntegersOf, floatsOf, integersOf, readProtobuf } from './protobuf.ts';
import { joinChunks } from './write.ts';

// A name may begin with a byte order mark; it must come back as it was.
const text = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

/**
 * Decodes a model.
 * @param externalBytes gives the bytes of an external data file by its name; without it external
 *   tensors are refused.
 * @throws {DiffrateError} for truncated bytes, unknown element types, tensors of strings or whose
 *   bytes do not fit their shape, functions of the model's own and sparse initializers.
 */
export function decodeModel(bytes: Uint8Array, externalBytes?: (file: string) => Uint8Array): OnnxModel {
  let irVersion = 0;
  let producer = '';
  let graph: Uint8Array | undefined;
  const operatorSets = new Map<string, number>();
  const metadata = new Map<string, string>();
  for (const field of readProtobuf(bytes)) {
    if (field.number === 1) irVersion = Number(field.integer);
    else if (field.number === 2) producer = text(field.payload);
    else if (field.number === 7) graph = field.payload;
    else if (field.number === 8) {
      let domain = '';
      let version = 0;
      for (const inner of readProtobuf(field.payload)) {
        if (inner.number === 1) domain = text(inner.payload);
        else if (inner.number === 2) version = Number(inner.integer);
      }
      operatorSets.set(domain, version);
    } else if (field.number === 14) {
      metadata.set(...decodePair(field.payload));
    } else if (field.number === 25) {
      throw new DiffrateError(
        'The ONNX model has functions of its own, which are not read: inline them first (onnx.inliner.inline_local_functions).',
      );
    }
  }
  if (graph === undefined) throw new DiffrateError('The ONNX file holds no graph; it is not an ONNX model.');
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  const inputs: OnnxValue[] = [];
  const outputs: OnnxValue[] = [];
  let graphName = '';
  for (const field of readProtobuf(graph)) {
    if (field.number === 1) nodes.push(decodeNode(field.payload));
    else if (field.number === 2) graphName = text(field.payload);
    else if (field.number === 5) initializers.push(decodeTensor(field.payload, externalBytes));
    else if (field.number === 11) inputs.push(decodeValue(field.payload));
    else if (field.number === 12) outputs.push(decodeValue(field.payload));
    else if (field.number === 15) {
      throw new DiffrateError(
        'The ONNX model has sparse initializers, which are not read: export it with dense weights.',
      );
    }
  }
  // Object.fromEntries makes own properties of every name, `__proto__` too.
  return {
    irVersion,
    producer,
    operatorSets: Object.fromEntries(operatorSets),
    graphName,
    nodes,
    initializers,
    inputs,
    outputs,
    metadata: Object.fromEntries(metadata),
  };
}

function decodePair(bytes: Uint8Array): [string, string] {
  let key = '';
  let value = '';
  for (const field of readProtobuf(bytes)) {
    if (field.number === 1) key = text(field.payload);
    else if (field.number === 2) value = text(field.payload);
  }
  return [key, value];
}

function decodeNode(bytes: Uint8Array): OnnxNode {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = new Map<string, OnnxAttribute>();
  let name = '';
  let operator = '';
  let domain = '';
  for (const field of readProtobuf(bytes)) {
    if (field.number === 1) inputs.push(text(field.payload));
    else if (field.number === 2) outputs.push(text(field.payload));
    else if (field.number === 3) name = text(field.payload);
    else if (field.number === 4) operator = text(field.payload);
    else if (field.number === 5) {
      attributes.set(...decodeAttribute(field.payload));
    } else if (field.number === 7) domain = text(field.payload);
  }
  return { operator, domain, name, inputs, outputs, attributes: Object.fromEntries(attributes) };
}

function decodeAttribute(bytes: Uint8Array): [string, OnnxAttribute] {
  let name = '';
  let type = 0;
  let attribute: OnnxAttribute | undefined;
  const ints: number[] = [];
  const floats: number[] = [];
  for (const field of readProtobuf(bytes)) {
    if (field.number === 1) name = text(field.payload);
    else if (field.number === 2) attribute = { float: floatsOf(field)[0] ?? 0 };
    else if (field.number === 3) attribute = { int: integersOf(field)[0] ?? 0 };
    else if (field.number === 4) attribute = { string: text(field.payload) };
    else if (field.number === 5) attribute = { tensor: decodeTensor(field.payload) };
    else if (field.number === 7) for (const value of floatsOf(field)) floats.push(value);
    else if (field.number === 8) for (const value of integersOf(field)) ints.push(value);
    else if (field.number === 20) type = Number(field.integer);
  }
  if (type === 6) attribute = { floats };
  if (type === 7) attribute = { ints };
  // proto3 writers leave out a field that holds its default.
  if (type >= 1 && type <= 3) attribute ??= type === 1 ? { float: 0 } : type === 2 ? { int: 0 } : { string: '' };
  if (attribute === undefined) {
    throw new DiffrateError(`The ONNX attribute "${name}" is of type ${type}, which this reader does not know.`);
  }
  return [name, attribute];
}

function elementTypeOf(number: number, name: string): ElementType {
  const entry = Object.entries(elementTypeNumbers).find(([, value]) => value === number);
  if (entry === undefined)
    throw new DiffrateError(`The ONNX tensor "${name}" is of the unknown element type ${number}.`);
  return entry[0] as ElementType;
}

function decodeTensor(bytes: Uint8Array, externalBytes?: (file: string) => Uint8Array): OnnxTensor {
  const shape: number[] = [];
  let typeNumber = 0;
  let name = '';
  let raw: Uint8Array | undefined;
  const floats: Uint8Array[] = [];
  const ints: bigint[] = [];
  const external = new Map<string, string>();
  for (const field of readProtobuf(bytes)) {
    if (field.number === 1) for (const size of integersOf(field)) shape.push(size);
    else if (field.number === 2) typeNumber = Number(field.integer);
    else if (field.number === 4 || field.number === 10) floats.push(field.payload);
    else if (field.number === 5 || field.number === 7) for (const value of bigIntegersOf(field)) ints.push(value);
    else if (field.number === 8) name = text(field.payload);
    else if (field.number === 9) raw = field.payload;
    else if (field.number === 13) external.set(...decodePair(field.payload));
  }
  const type = elementTypeOf(typeNumber, name);
  if (type === 'string')
    throw new DiffrateError(`The ONNX tensor "${name}" holds strings, which this reader does not know.`);
  if (external.has('location')) raw = externalPart(name, external, externalBytes);
  raw ??= typedBytes(type, floats, ints);
  const expected = shape.reduce((product, size) => product * size, 1) * elementTypeBytes[type];
  if (shape.some((size) => size < 0) || raw.length !== expected) {
    throw new DiffrateError(
      `The ONNX tensor "${name}" has ${raw.length} bytes where [${shape.join(', ')}] needs ${expected}.`,
    );
  }
  return { name, type, shape, bytes: raw };
}

/**
 * A tensor's range of its external data file; the location must stay in the model's folder
 * (onnx/docs/ExternalData.md).
 */
function externalPart(
  name: string,
  external: ReadonlyMap<string, string>,
  externalBytes: ((file: string) => Uint8Array) | undefined,
): Uint8Array {
  const file = external.get('location') ?? '';
  if (file === '' || /^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|\0/.test(file)) {
    throw new DiffrateError(`The ONNX tensor "${name}" lies in "${file}", which is not a file in the model's folder.`);
  }
  const whole = externalBytes?.(file);
  if (whole === undefined) {
    throw new DiffrateError(
      `The ONNX tensor "${name}" lies in "${file}"; give the file's folder, not its bytes alone.`,
    );
  }
  const offset = Number(external.get('offset') ?? 0);
  const length = Number(external.get('length') ?? whole.length - offset);
  if (![offset, length].every((value) => Number.isSafeInteger(value) && value >= 0) || offset + length > whole.length) {
    throw new DiffrateError(
      `The ONNX tensor "${name}" lies at ${offset} + ${length} of "${file}", which has ${whole.length} bytes; it is truncated.`,
    );
  }
  return whole.subarray(offset, offset + length);
}

/**
 * Bytes of tensors that keep their values in typed fields instead of `raw_data`; floats are
 * little-endian there already.
 */
function typedBytes(type: ElementType, floats: readonly Uint8Array[], ints: readonly bigint[]): Uint8Array {
  if (type === 'float32' || type === 'float64')
    return floats.length === 1 ? (floats[0] as Uint8Array) : joinChunks(floats);
  if (type === 'int64') return new Uint8Array(BigInt64Array.from(ints).buffer);
  const numbers = ints.map(Number);
  if (type === 'int32') return new Uint8Array(Int32Array.from(numbers).buffer);
  if (type === 'float16' || type === 'bfloat16') return new Uint8Array(Uint16Array.from(numbers).buffer);
  return Uint8Array.from(numbers);
}

function decodeValue(bytes: Uint8Array): OnnxValue {
  let name = '';
  let typeNumber = 1;
  const shape: Dimension[] = [];
  for (const field of readProtobuf(bytes)) {
    if (field.number === 1) name = text(field.payload);
    if (field.number !== 2) continue;
    for (const type of readProtobuf(field.payload)) {
      if (type.number !== 1) continue;
      for (const inner of readProtobuf(type.payload)) {
        if (inner.number === 1) typeNumber = Number(inner.integer);
        if (inner.number !== 2) continue;
        for (const dimension of readProtobuf(inner.payload)) shape.push(decodeDimension(dimension.payload));
      }
    }
  }
  return { name, type: elementTypeOf(typeNumber, name), shape };
}

function decodeDimension(bytes: Uint8Array): Dimension {
  for (const field of readProtobuf(bytes)) {
    if (field.number === 1) return integersOf(field)[0] ?? '';
    if (field.number === 2) return text(field.payload);
  }
  return '';
}
