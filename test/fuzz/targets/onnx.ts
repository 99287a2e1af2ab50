/** Target: ONNX models with and without external data. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readOnnxFile } from '../../../src/exporting/read-onnx-file.ts';
import { networkModel } from '../../../src/execution/network-session.ts';
import { decodeModel } from '../../../src/onnx/read.ts';
import { encodeModel, joinChunks } from '../../../src/onnx/write.ts';
import { smallModel, tinySizes } from '../../small-networks.ts';
import type { FuzzTarget } from '../target.ts';

const externalFile = 'model.onnx_data';

function seeds(): Uint8Array[] {
  const model = networkModel(smallModel({ ...tinySizes, depth: 1 }));
  return [joinChunks(encodeModel(model).model), joinChunks(encodeModel(model, externalFile).model)];
}

/** Decoded in memory, and read from disk with the external data that it names. */
export const onnx: FuzzTarget = {
  name: 'onnx',
  seeds: () => Promise.resolve(seeds()),
  prepare: (folder) => writeFile(join(folder, externalFile), new Uint8Array(4096)),
  run: async (bytes, folder) => {
    const file = join(folder, 'model.onnx');
    await writeFile(file, bytes);
    const { bytes: read, externalData } = await readOnnxFile(file);
    decodeModel(read, () => externalData?.data ?? new Uint8Array(64));
  },
};
