/** Every operator, one function per ONNX operator and named as it. */
export * from './elementwise.ts';
export * from './layout.ts';
export * from './linear.ts';
export * from './reduction.ts';
export * from './selection.ts';
