/**
 * A `Session` over ONNX Runtime's own JavaScript session (onnxruntime-common), which is the same in
 * Node and in a browser.
 */
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { DiffrateError, messageOf } from '../errors.ts';
import type { RuntimeTensor, Session, TensorData } from './runtime.ts';

/** The package's tensor class, which each of ONNX Runtime's packages brings. */
export type TensorConstructor = new (type: Tensor.Type, data: Tensor.DataType, shape: readonly number[]) => Tensor;

/** A loaded model in ONNX Runtime. */
export class OnnxRuntimeSession implements Session {
  readonly #session: InferenceSession;
  readonly #tensor: TensorConstructor;
  #disposed = false;

  constructor(session: InferenceSession, tensor: TensorConstructor) {
    this.#session = session;
    this.#tensor = tensor;
  }

  async run(
    feeds: Readonly<Record<string, RuntimeTensor>>,
    outputs?: readonly string[] | Readonly<Record<string, RuntimeTensor>>,
  ): Promise<Record<string, RuntimeTensor>> {
    try {
      const wanted = outputs ?? this.#session.outputNames;
      const results = await this.#session.run(
        this.#tensors(feeds),
        isNames(wanted) ? [...wanted] : this.#tensors(wanted),
      );
      return Object.fromEntries(
        Object.entries(results).map(([name, { type, dims, data }]) => [
          name,
          { type: type as RuntimeTensor['type'], shape: dims, data: bitsOf(data) },
        ]),
      );
    } catch (error) {
      if (error instanceof DiffrateError) throw error;
      throw new DiffrateError(`ONNX Runtime cannot run the model: ${messageOf(error)}`, { cause: error });
    }
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#session.release();
  }

  endProfiling(): void {
    this.#session.endProfiling();
  }

  #tensors(values: Readonly<Record<string, RuntimeTensor>>): Record<string, Tensor> {
    return Object.fromEntries(Object.entries(values).map(([name, tensor]) => [name, this.#tensorOf(name, tensor)]));
  }

  #tensorOf(name: string, { type, data, shape }: RuntimeTensor): Tensor {
    try {
      return new this.#tensor(type as Tensor.Type, data as Tensor.DataType, shape);
    } catch (error) {
      throw new DiffrateError(
        `The input "${name}" is no ${type} tensor of shape [${shape.join(', ')}]: ${messageOf(error)}`,
      );
    }
  }
}

/**
 * float16 as its bits: where JavaScript has a `Float16Array` (Node 24, new browsers), ONNX Runtime
 * gives one.
 */
function bitsOf(data: Tensor.DataType): TensorData {
  const { buffer, byteOffset, length } = data as Uint16Array;
  const isHalf = Object.prototype.toString.call(data) === '[object Float16Array]';
  return isHalf ? new Uint16Array(buffer, byteOffset, length) : (data as TensorData);
}

const isNames = (outputs: readonly string[] | Readonly<Record<string, RuntimeTensor>>): outputs is readonly string[] =>
  Array.isArray(outputs);
