/** One session of onnxruntime-node. */
import type { OnnxFile } from '../../onnx/onnx-file.ts';
import { availableCores } from '../../threads/available-cores.ts';
import type { SessionOptions } from '../runtime.ts';
import { OnnxRuntimeSession } from '../session.ts';
import { InferenceSession, Tensor } from './onnx-runtime.ts';

/**
 * Threads spin while a model runs, but not between runs: the cores belong to image decoding or to
 * another session then.
 */
const sharedCores = { session: { force_spinning_stop: '1' } };

/** Loads a model. */
export async function createSession(
  { bytes, externalData }: OnnxFile,
  options: SessionOptions,
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
    ...(externalData === undefined ? {} : { externalData: [externalData] }),
  };
  return new OnnxRuntimeSession(await InferenceSession.create(bytes, settings), Tensor);
}
