/**
 * Writes an `OnnxModel` as a `ModelProto`, weights by reference; above protobuf's 2 GB limit, or on
 * demand, weights go to an external data file beside it (onnx/docs/ExternalData.md).
 */
import { elementTypeNumbers } from './model.ts';
import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor, OnnxValue } from './model.ts';
import { ProtobufWriter } from './protobuf.ts';

/** `AttributeProto.AttributeType`. */
const attributeTypes = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7 } as const;

/** Where a tensor's bytes lie in the external data file. */
interface ExternalLocation {
  readonly file: string;
  readonly offset: number;
}

/**
 * An encoded model: chunks in file order, and the chunks of the external data file where there is
 * one.
 */
export interface EncodedModel {
  readonly model: readonly Uint8Array[];
  readonly externalData: readonly Uint8Array[];
}

/**
 * Smallest tensor that moves to the external file, in bytes, and the alignment there (a page, for
 * memory mapping).
 */
const externalThreshold = 1024;
const externalAlignment = 4096;

/** A protobuf message cannot exceed 2 GB; some room is left for the graph itself. */
const largestInlineBytes = 1.9e9;

/**
 * Encodes a model without copying its weights.
 * @param externalFile name of the external data file; used when given or when the weights exceed
 *   what protobuf holds.
 */
export function encodeModel(model: OnnxModel, externalFile?: string): EncodedModel {
  const weightBytes = model.initializers.reduce((sum, tensor) => sum + tensor.bytes.length, 0);
  const file = externalFile ?? (weightBytes > largestInlineBytes ? 'model.onnx_data' : undefined);
  const externalData: Uint8Array[] = [];
  let offset = 0;
  const graph = new ProtobufWriter();
  for (const node of model.nodes) graph.message(1, encodeNode(node));
  graph.string(2, model.graphName);
  for (const tensor of model.initializers) {
    let location: ExternalLocation | undefined;
    if (file !== undefined && tensor.bytes.length >= externalThreshold) {
      location = { file, offset };
      const padding = (externalAlignment - (tensor.bytes.length % externalAlignment)) % externalAlignment;
      externalData.push(tensor.bytes, new Uint8Array(padding));
      offset += tensor.bytes.length + padding;
    }
    graph.message(5, encodeTensor(tensor, location));
  }
  for (const value of model.inputs) graph.message(11, encodeValue(value));
  for (const value of model.outputs) graph.message(12, encodeValue(value));

  const message = new ProtobufWriter();
  message.int(1, model.irVersion).string(2, model.producer).message(7, graph);
  for (const [domain, version] of Object.entries(model.operatorSets)) {
    message.message(8, new ProtobufWriter().string(1, domain).int(2, version));
  }
  for (const [key, value] of Object.entries(model.metadata)) {
    message.message(14, new ProtobufWriter().string(1, key).string(2, value));
  }
  return { model: message.chunks(), externalData };
}

/**
 * Joins chunks into one buffer (one copy, for engines that take bytes).
 * @returns memory of its own, `Uint8Array<ArrayBuffer>`: a name that TypeScript has since 5.7.
 */
export function joinChunks(chunks: readonly Uint8Array[]): ReturnType<typeof Uint8Array.of> {
  const joined = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let position = 0;
  for (const chunk of chunks) {
    joined.set(chunk, position);
    position += chunk.length;
  }
  return joined;
}

function encodeNode(node: OnnxNode): ProtobufWriter {
  const writer = new ProtobufWriter();
  for (const input of node.inputs) writer.string(1, input);
  for (const output of node.outputs) writer.string(2, output);
  writer.string(3, node.name).string(4, node.operator);
  for (const [name, attribute] of Object.entries(node.attributes)) writer.message(5, encodeAttribute(name, attribute));
  if (node.domain !== '') writer.string(7, node.domain);
  return writer;
}

function encodeAttribute(name: string, attribute: OnnxAttribute): ProtobufWriter {
  const writer = new ProtobufWriter().string(1, name);
  if ('float' in attribute) return writer.float(2, attribute.float).int(20, attributeTypes.float);
  if ('int' in attribute) return writer.int(3, attribute.int).int(20, attributeTypes.int);
  if ('string' in attribute) return writer.string(4, attribute.string).int(20, attributeTypes.string);
  if ('tensor' in attribute) return writer.message(5, encodeTensor(attribute.tensor)).int(20, attributeTypes.tensor);
  if ('floats' in attribute) return writer.packedFloats(7, attribute.floats).int(20, attributeTypes.floats);
  return writer.packedInts(8, attribute.ints).int(20, attributeTypes.ints);
}

function encodeTensor(tensor: OnnxTensor, location?: ExternalLocation): ProtobufWriter {
  const writer = new ProtobufWriter().packedInts(1, tensor.shape).int(2, elementTypeNumbers[tensor.type]);
  writer.string(8, tensor.name);
  if (location === undefined) return writer.bytes(9, tensor.bytes);
  const entries = { location: location.file, offset: location.offset, length: tensor.bytes.length };
  for (const [key, value] of Object.entries(entries)) {
    writer.message(13, new ProtobufWriter().string(1, key).string(2, String(value)));
  }
  return writer.int(14, 1);
}

function encodeValue(value: OnnxValue): ProtobufWriter {
  const shape = new ProtobufWriter();
  for (const dimension of value.shape) {
    const writer = new ProtobufWriter();
    shape.message(1, typeof dimension === 'number' ? writer.int(1, dimension) : writer.string(2, dimension));
  }
  const tensorType = new ProtobufWriter().int(1, elementTypeNumbers[value.type]).message(2, shape);
  return new ProtobufWriter().string(1, value.name).message(2, new ProtobufWriter().message(1, tensorType));
}
