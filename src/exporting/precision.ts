/** Precisions of an exported model, by transformers.js's names (`dtype`). */

/**
 * `fp32`: as trained; `fp16`: half precision, for GPUs; `q8`: 8-bit weights and dynamic
 * quantisation, for CPUs and small downloads.
 */
export const exportDtypes = ['fp32', 'fp16', 'q8'] as const;

/** One precision. */
export type ExportDtype = (typeof exportDtypes)[number];

const fileNames: Readonly<Record<ExportDtype, string>> = {
  fp32: 'model.onnx',
  fp16: 'model_fp16.onnx',
  q8: 'model_quantized.onnx',
};

/** On which devices a precision runs well. */
export interface DtypeDevices {
  /** For a table. */
  readonly short: string;
  /** A sentence that says what happens on others. */
  readonly sentence: string;
}

const devices: Readonly<Record<ExportDtype, DtypeDevices>> = {
  fp32: { short: 'everywhere', sentence: 'fp32 runs on every device.' },
  fp16: {
    short: 'WebGPU (shader-f16)',
    sentence:
      'fp16 is for WebGPU with the feature shader-f16, without which it cannot be loaded there; on a CPU and in WebAssembly it is converted to fp32 as it runs and gains size, not speed.',
  },
  q8: {
    short: 'CPU, WebAssembly',
    sentence:
      'q8 is for CPUs and WebAssembly: take fp32 or fp16 for WebGPU. There its quantised products run on the CPU, with copies there and back, and onnxruntime-web 1.20 and 1.22 give wrong answers without an error; from 1.24 on they are right.',
  },
};

/** On which devices that precision runs well, with ONNX Runtime. */
export function dtypeDevices(dtype: ExportDtype): DtypeDevices {
  return devices[dtype];
}

/** File name in the folder `onnx/`, where transformers.js looks for that precision. */
export function modelFileName(dtype: ExportDtype): string {
  return fileNames[dtype];
}

/** What is to be said of precisions that were asked for with a device, a sentence each. */
export function deviceRemarks(dtypes: readonly ExportDtype[], device = 'cpu'): string[] {
  return device === 'webgpu' && dtypes.includes('q8') ? [devices.q8.sentence] : [];
}
