/**
 * `diffrate/onnx`: the file format by itself. Reads and writes ONNX models (`ModelProto`) without
 * copying their weights.
 * @module diffrate/onnx
 */
export { elementTypeBytes, elementTypeNumbers } from './model.ts';
export type { Dimension, ElementType, OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor, OnnxValue } from './model.ts';
export { onnxFileOf } from './onnx-file.ts';
export type { OnnxFile } from './onnx-file.ts';
export { decodeModel } from './read.ts';
export { encodeModel, joinChunks } from './write.ts';
export type { EncodedModel } from './write.ts';
