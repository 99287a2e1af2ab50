/** ONNX Runtime for Node (`onnxruntime-node`): CPU, and WebGPU or other execution providers where they are installed. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { DiffrateError, messageOf } from '../../errors.ts';
import { encodeModel, joinChunks } from '../../onnx/write.ts';
import type { OnnxModel } from '../../onnx/model.ts';
import type { Runtime, RuntimeTensor, Session, SessionOptions, TensorData } from '../runtime.ts';

/** The runtime of this process. */
export const nodeRuntime: Runtime = { load };

async function load(model: OnnxModel, options: SessionOptions = {}): Promise<Session> {
  const device = options.device ?? 'cpu';
  const { model: inline, externalData } = encodeModel(model);
  const settings: InferenceSession.SessionOptions = {
    executionProviders: device === 'cpu' ? ['cpu'] : [device, 'cpu'],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
    ...(options.profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: options.profilePrefix }),
    ...(externalData.length === 0 ? {} : { externalData: [{ path: 'model.onnx_data', data: joinChunks(externalData) }] }),
  };
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(joinChunks(inline), settings);
  } catch (error) {
    throw new DiffrateError(`ONNX Runtime cannot load the model on "${device}": ${messageOf(error)}`);
  }
  return new NodeSession(session);
}

class NodeSession implements Session {
  readonly #session: InferenceSession;

  constructor(session: InferenceSession) {
    this.#session = session;
  }

  async run(feeds: Readonly<Record<string, RuntimeTensor>>, outputs?: readonly string[]): Promise<Record<string, RuntimeTensor>> {
    try {
      const tensors = Object.fromEntries(
        Object.entries(feeds).map(([name, { type, data, shape }]) => [name, new Tensor(type as Tensor.Type, data as Tensor.DataType, shape)]),
      );
      const results = await this.#session.run(tensors, [...(outputs ?? this.#session.outputNames)]);
      return Object.fromEntries(
        Object.entries(results).map(([name, { type, dims, data }]) => [name, { type: type as RuntimeTensor['type'], shape: dims, data: data as TensorData }]),
      );
    } catch (error) {
      throw new DiffrateError(`ONNX Runtime cannot run the model: ${messageOf(error)}`);
    }
  }

  async dispose(): Promise<void> {
    await this.#session.release();
  }

  endProfiling(): void {
    this.#session.endProfiling();
  }
}
