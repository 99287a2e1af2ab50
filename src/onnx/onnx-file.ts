/**
 * A model as the bytes of its files: what lies on disk, or came over the network, and is to run as
 * it is (onnx/docs/ExternalData.md for the second file).
 */
import type { OnnxModel } from './model.ts';
import { encodeModel, joinChunks } from './write.ts';

/** An encoded model. */
export interface OnnxFile {
  /** A whole `ModelProto`. */
  readonly bytes: Uint8Array;
  /** The file beside it that holds weights, under the name by which the model calls it. */
  readonly externalData?: { readonly path: string; readonly data: Uint8Array };
}

/** The file of a model; a model that is a file already stays as it is. */
export function onnxFileOf(model: OnnxModel | OnnxFile): OnnxFile {
  if (isOnnxFile(model)) return model;
  const path = 'model.onnx_data';
  const { model: inline, externalData } = encodeModel(model);
  const bytes = joinChunks(inline);
  return externalData.length === 0 ? { bytes } : { bytes, externalData: { path, data: joinChunks(externalData) } };
}

const isOnnxFile = (model: OnnxModel | OnnxFile): model is OnnxFile => 'bytes' in model;
