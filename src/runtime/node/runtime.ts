/**
 * ONNX Runtime for Node (`onnxruntime-node`): CPU, and WebGPU or other execution providers where
 * they are installed.
 */
import { DiffrateError } from '../../errors.ts';
import type { OnnxModel } from '../../onnx/model.ts';
import { onnxFileOf } from '../../onnx/onnx-file.ts';
import type { OnnxFile } from '../../onnx/onnx-file.ts';
import { loadingFailure } from '../device-failure.ts';
import type { Runtime, Session, SessionOptions } from '../runtime.ts';
import { loadBatchSession } from './batch-session.ts';
import { batchThreads } from './batch-threads.ts';
import { listSupportedBackends } from './onnx-runtime.ts';
import { createSession } from './session.ts';

/** The runtime of this process. */
export const nodeRuntime: Runtime = { load };

async function load(model: OnnxModel | OnnxFile, options: SessionOptions = {}): Promise<Session> {
  const device = options.device ?? 'cpu';
  requireDevice(device);
  const file = onnxFileOf(model);
  const { bytes } = file;
  const shared = file.externalData === undefined ? batchThreads(options, bytes.length) : undefined;
  try {
    if (shared !== undefined) {
      const { returnsMemory } = options;
      return await loadBatchSession(bytes, { threads: shared.threads, returnsMemory }, shared.copies);
    }
    return await createSession(file, options);
  } catch (error) {
    throw loadingFailure(error, device);
  }
}

/** ONNX Runtime takes the CPU, with no more than a warning, where it does not know a device. */
function requireDevice(device: string): void {
  const known = listSupportedBackends().map(({ name }) => name);
  if (known.includes(device)) return;
  throw new DiffrateError(`ONNX Runtime has no device "${device}" here; use one of ${known.join(', ')}.`);
}
