/** One session of onnxruntime-node. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { availableCores } from '../../threads/available-cores.ts';
import type { SessionOptions } from '../runtime.ts';
import { OnnxRuntimeSession } from '../session.ts';

/** Threads spin while a model runs, but not between runs: the cores belong to image decoding or to another session then. */
const sharedCores = { session: { force_spinning_stop: '1' } };

/**
 * Loads a model.
 * @param bytes the encoded model
 * @param weights its external data, if it has any
 */
export async function createSession(
  bytes: Uint8Array,
  options: SessionOptions,
  weights?: Uint8Array,
): Promise<OnnxRuntimeSession> {
  const device = options.device ?? 'cpu';
  const settings: InferenceSession.SessionOptions = {
    executionProviders: device === 'cpu' ? ['cpu'] : [device, 'cpu'],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    extra: sharedCores,
    // Of its own it would take the machine's cores, which a container may not have.
    intraOpNumThreads: options.threads ?? availableCores(),
    ...(options.returnsMemory === true ? { enableCpuMemArena: false } : {}),
    ...(options.profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: options.profilePrefix }),
    ...(weights === undefined ? {} : { externalData: [{ path: 'model.onnx_data', data: weights }] }),
  };
  return new OnnxRuntimeSession(await InferenceSession.create(bytes, settings), Tensor);
}
