/**
 * `diffrate/runtime/web`: runs lowered graphs in a browser; `onnxruntime-web` must be installed
 * beside this package.
 * @module diffrate/runtime/web
 */
export type { OnnxFile } from '../../onnx/onnx-file.ts';
export { floats, integers } from '../runtime.ts';
export type { Device, Runtime, RuntimeTensor, Session, SessionOptions, TensorData } from '../runtime.ts';
export { createWebRuntime, webRuntime } from './runtime.ts';
export type { WebRuntimeSettings } from './runtime.ts';
