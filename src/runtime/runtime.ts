/**
 * What runs a graph: ONNX Runtime behind one small interface, in Node (`node/`) or in a browser
 * (`web/`). A session holds one model; feeds and results are typed arrays with shapes.
 */
import type { ElementType, OnnxModel } from '../onnx/model.ts';
import type { OnnxFile } from '../onnx/onnx-file.ts';

/** Typed arrays by element type; float16 travels as its bits. */
export type TensorData =
  | Float32Array
  | BigInt64Array
  | Int32Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Float64Array;

/** A value that goes into or comes out of a session. */
export interface RuntimeTensor {
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/**
 * Where a model runs. `webgpu` needs a driver; anything ONNX Runtime calls an execution provider
 * passes through.
 */
export type Device = 'cpu' | 'webgpu' | (string & {});

/** How a session runs. */
export interface SessionOptions {
  /**
   * Give the memory of intermediate results back after every run: for many sessions in one process.
   */
  readonly returnsMemory?: boolean | undefined;
  readonly device?: Device | undefined;
  /**
   * Threads to use; by default as many as this process has cores. They share every operator, but
   * for what `batch` says.
   */
  readonly threads?: number | undefined;
  /**
   * Images per run. Where it is given, and all feeds and outputs of the model have the batch as
   * their first axis, a runtime may share the images of a run out over threads instead of every
   * operator. Runs of another size work as well.
   */
  readonly batch?: number | undefined;
  /** Path prefix of ONNX Runtime's profile; see `runtime/profile.ts`. */
  readonly profilePrefix?: string | undefined;
}

/** A loaded model. */
export interface Session {
  /**
   * Runs the model. Only the named outputs are computed and returned, all of them by default. Where
   * tensors are given for them, the results are written into their memory.
   * @throws {DiffrateError} with ONNX Runtime's own words where it fails.
   */
  run(
    feeds: Readonly<Record<string, RuntimeTensor>>,
    outputs?: readonly string[] | Readonly<Record<string, RuntimeTensor>>,
  ): Promise<Record<string, RuntimeTensor>>;
  /** Frees the model and its buffers. */
  dispose(): Promise<void>;
  /** Ends profiling and writes the profile, where `profilePrefix` was given. */
  endProfiling(): void;
}

/** Loads models into sessions. */
export interface Runtime {
  /**
   * Loads a model, or a file that holds one.
   * @throws {DiffrateError} where ONNX Runtime refuses it, or the device is not there.
   */
  load(model: OnnxModel | OnnxFile, options?: SessionOptions): Promise<Session>;
}

/** A float32 value to feed. */
export function floats(data: Float32Array, shape: readonly number[]): RuntimeTensor {
  return { type: 'float32', shape, data };
}

/** An int64 vector to feed. */
export function integers(values: readonly number[]): RuntimeTensor {
  return { type: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) };
}
