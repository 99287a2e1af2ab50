/** ONNX Runtime for Node (`onnxruntime-node`): CPU, and WebGPU or other execution providers where they are installed. */
import { InferenceSession, listSupportedBackends, Tensor } from 'onnxruntime-node';
import { DiffrateError, messageOf } from '../../errors.ts';
import { encodeModel, joinChunks } from '../../onnx/write.ts';
import type { OnnxModel } from '../../onnx/model.ts';
import type { Runtime, Session, SessionOptions } from '../runtime.ts';
import { OnnxRuntimeSession } from '../session.ts';

/** The runtime of this process. */
export const nodeRuntime: Runtime = { load };

/** Threads spin while a model runs, but not between runs: the cores belong to image decoding or to another session then. */
const sharedCores = { session: { force_spinning_stop: '1' } };

async function load(model: OnnxModel, options: SessionOptions = {}): Promise<Session> {
  const device = options.device ?? 'cpu';
  requireDevice(device);
  const { model: inline, externalData } = encodeModel(model);
  const settings: InferenceSession.SessionOptions = {
    executionProviders: device === 'cpu' ? ['cpu'] : [device, 'cpu'],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    extra: sharedCores,
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
    ...(options.returnsMemory === true ? { enableCpuMemArena: false } : {}),
    ...(options.profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: options.profilePrefix }),
    ...(externalData.length === 0
      ? {}
      : { externalData: [{ path: 'model.onnx_data', data: joinChunks(externalData) }] }),
  };
  try {
    return new OnnxRuntimeSession(await InferenceSession.create(joinChunks(inline), settings), Tensor);
  } catch (error) {
    throw new DiffrateError(`ONNX Runtime cannot load the model on "${device}": ${messageOf(error)}`);
  }
}

/** ONNX Runtime takes the CPU, with no more than a warning, where it does not know a device. */
function requireDevice(device: string): void {
  const known = listSupportedBackends().map(({ name }) => name);
  if (known.includes(device)) return;
  throw new DiffrateError(`ONNX Runtime has no device "${device}" here; use one of ${known.join(', ')}.`);
}
