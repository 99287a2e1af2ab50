/**
 * What went wrong on a device, in words that say what is missing: ONNX Runtime's own name its
 * source files.
 */
import { DiffrateError, messageOf } from '../errors.ts';

/** What each device needs. */
const needs: ReadonlyMap<string, string> = new Map([
  ['webgpu', 'a graphics card with a driver for Vulkan, Metal or Direct3D 12'],
  [
    'cuda',
    "NVIDIA's driver, CUDA 12, cuDNN 9 and the CUDA libraries of onnxruntime-node, which ONNXRUNTIME_NODE_INSTALL=skip leaves out",
  ],
  ['tensorrt', "NVIDIA's driver, TensorRT and the CUDA libraries of onnxruntime-node"],
  ['coreml', 'macOS'],
  ['dml', 'Windows with DirectX 12'],
]);

/** What ONNX Runtime says where the device itself is not there, and not where a model is wrong. */
const deviceIsMissing = /adapter|failed to (load|create).*(library|device)|no (supported|available) device|driver/i;

/**
 * A model that cannot be loaded on a device.
 * @param error what ONNX Runtime threw; it is the cause of the one returned.
 */
export function loadingFailure(error: unknown, device: string): DiffrateError {
  if (error instanceof DiffrateError) return error;
  const message = messageOf(error);
  const need = needs.get(device);
  if (device === 'webgpu' && /f16/i.test(message))
    return new DiffrateError(
      'The device "webgpu" here lacks shader-f16, which a model in fp16 needs: use fp32 there, or another device.',
      { cause: error },
    );
  if (need !== undefined && deviceIsMissing.test(message))
    return new DiffrateError(`The device "${device}" cannot be used here: it needs ${need}; use "cpu" otherwise.`, {
      cause: error,
    });
  return new DiffrateError(`ONNX Runtime cannot load the model on "${device}": ${message}`, { cause: error });
}
