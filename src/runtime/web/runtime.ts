/**
 * ONNX Runtime for browsers (`onnxruntime-web`, an optional peer): WebGPU, and WebAssembly as the
 * CPU. It is loaded when the first model is. The `/webgpu` build is the one with TopK and scatters,
 * and the one that transformers.js uses.
 */
import type { InferenceSession } from 'onnxruntime-web/webgpu';
import { DiffrateError, messageOf } from '../../errors.ts';
import type { OnnxModel } from '../../onnx/model.ts';
import { onnxFileOf } from '../../onnx/onnx-file.ts';
import type { OnnxFile } from '../../onnx/onnx-file.ts';
import { loadingFailure } from '../device-failure.ts';
import type { Runtime, Session, SessionOptions } from '../runtime.ts';
import { OnnxRuntimeSession } from '../session.ts';

type OnnxRuntimeWeb = typeof import('onnxruntime-web/webgpu');

/**
 * Settings of WebAssembly; they count for the whole page and only before the first model is loaded.
 */
export interface WebRuntimeSettings {
  /**
   * Folder (URL) of ONNX Runtime's `.wasm` and `.mjs` files; by default they lie beside its script.
   */
  readonly wasmPaths?: string | undefined;
  /**
   * WebAssembly threads; more than one needs a cross-origin isolated page (COOP and COEP headers).
   */
  readonly threads?: number | undefined;
}

const devices: readonly string[] = ['cpu', 'webgpu', 'webnn'];

/** The runtime of this page, with ONNX Runtime's own settings. */
export const webRuntime: Runtime = createWebRuntime();

/**
 * A runtime for browsers. The device `cpu` is WebAssembly, `webgpu` falls back to it for single
 * operators only.
 * @throws {DiffrateError} from `load`, where onnxruntime-web is not installed, there is no WebGPU,
 *   or the model is invalid.
 */
export function createWebRuntime(settings: WebRuntimeSettings = {}): Runtime {
  let library: Promise<OnnxRuntimeWeb> | undefined;
  const load = async (model: OnnxModel | OnnxFile, options: SessionOptions = {}): Promise<Session> => {
    const device = options.device ?? 'cpu';
    if (!devices.includes(device)) {
      throw new DiffrateError(`ONNX Runtime has no device "${device}" in a browser; use one of ${devices.join(', ')}.`);
    }
    if (device === 'webgpu' && !hasWebGpu()) {
      throw new DiffrateError('There is no WebGPU here; use the device "cpu" or a browser with WebGPU.');
    }
    library ??= loadLibrary(settings).catch((error: unknown) => {
      // A network may be back when the next model is loaded.
      library = undefined;
      throw error;
    });
    const { InferenceSession, Tensor, env } = await library;
    // The number of threads belongs to the WebAssembly module, not to a session.
    if (options.threads !== undefined) env.wasm.numThreads = options.threads;
    const { bytes, externalData } = onnxFileOf(model);
    const sessionOptions: InferenceSession.SessionOptions = {
      executionProviders: device === 'cpu' ? ['wasm'] : [device, 'wasm'],
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      ...(options.profilePrefix === undefined
        ? {}
        : { enableProfiling: true, profileFilePrefix: options.profilePrefix }),
      ...(externalData === undefined ? {} : { externalData: [externalData] }),
    };
    try {
      return new OnnxRuntimeSession(await InferenceSession.create(bytes, sessionOptions), Tensor);
    } catch (error) {
      throw loadingFailure(error, device);
    }
  };
  return { load };
}

const hasWebGpu = (): boolean => typeof navigator !== 'undefined' && 'gpu' in navigator;

async function loadLibrary(settings: WebRuntimeSettings): Promise<OnnxRuntimeWeb> {
  let library: OnnxRuntimeWeb;
  try {
    library = await import('onnxruntime-web/webgpu');
  } catch (error) {
    throw new DiffrateError(
      `onnxruntime-web cannot be loaded; install it with "npm install onnxruntime-web": ${messageOf(error)}`,
    );
  }
  if (settings.wasmPaths !== undefined) library.env.wasm.wasmPaths = settings.wasmPaths;
  if (settings.threads !== undefined) library.env.wasm.numThreads = settings.threads;
  return library;
}
