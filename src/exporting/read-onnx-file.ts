/**
 * An exported model read back from disk, with the external data beside it
 * (onnx/docs/ExternalData.md): what is measured is then what users will load.
 */
import { basename } from 'node:path';
import { stat } from 'node:fs/promises';
import { withFileSource } from '../checkpoints/byte-source.ts';
import type { OnnxFile } from '../onnx/onnx-file.ts';

/**
 * Reads `model.onnx`, and `model.onnx_data` where there is one.
 * @throws {DiffrateError} where the file is missing or cannot be read.
 */
export async function readOnnxFile(path: string): Promise<OnnxFile> {
  const bytes = await readWhole(path);
  const beside = `${path}_data`;
  const hasData = await stat(beside).then(
    (found) => found.isFile(),
    () => false,
  );
  return hasData ? { bytes, externalData: { path: basename(beside), data: await readWhole(beside) } } : { bytes };
}

/** Range by range: one read cannot give more than 2 GiB. */
const readWhole = (path: string): Promise<Uint8Array> => withFileSource(path, (source) => source.read(0, source.size));
