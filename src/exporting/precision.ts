/** Precisions of an exported model, by transformers.js's names (`dtype`). */

/**
 * `fp32`: as trained; `fp16`: half precision, for GPUs; `q8`: 8-bit weights and dynamic quantisation, for CPUs and
 * small downloads.
 */
export const exportDtypes = ['fp32', 'fp16', 'q8'] as const;

/** One precision. */
export type ExportDtype = (typeof exportDtypes)[number];

const fileNames: Readonly<Record<ExportDtype, string>> = {
  fp32: 'model.onnx',
  fp16: 'model_fp16.onnx',
  q8: 'model_quantized.onnx',
};

/** File name in the folder `onnx/`, where transformers.js looks for that precision. */
export function modelFileName(dtype: ExportDtype): string {
  return fileNames[dtype];
}
