/**
 * `diffrate/graph`: the graph engine by itself. Write a network as a function over symbolic
 * tensors, differentiate it, and lower it to an ONNX model. Nothing here needs Node, and nothing
 * knows of Vision Transformers.
 * @module diffrate/graph
 */
export {
  constant,
  customGradient,
  dimensionAt,
  elementCount,
  formatShape,
  inScope,
  input,
  int64Vector,
  makeNode,
  makeSingle,
  scalar,
  sizeAt,
  stopGradient,
} from './tensor.ts';
export type {
  CustomGradient,
  Dimension,
  ElementType,
  GraphNode,
  NumericArray,
  OutputDescription,
  Shape,
  Tensor,
  TensorSource,
} from './tensor.ts';
export {
  abs,
  add,
  biasGelu,
  cast,
  clip,
  div,
  elu,
  equal,
  erf,
  exp,
  gelu,
  greater,
  greaterOrEqual,
  less,
  log,
  max,
  min,
  mul,
  neg,
  pow,
  reciprocal,
  relu,
  sigmoid,
  sqrt,
  sub,
  tanh,
  where,
} from './operators/elementwise.ts';
export type { Operand } from './operators/elementwise.ts';
export {
  concat,
  dynamicSlice,
  expandLike,
  pad,
  reshape,
  shapeOf,
  slice,
  split,
  transpose,
} from './operators/layout.ts';
export { conv, gemm, matMul } from './operators/linear.ts';
export {
  layerNormalization,
  logSoftmax,
  reduceL2,
  reduceMax,
  reduceMean,
  reduceSum,
  softmax,
} from './operators/reduction.ts';
export type { LayerNormalizationOutputs } from './operators/reduction.ts';
export { argMax, gather, gatherElements, gatherND, scatterElements, topK } from './operators/selection.ts';
export type { TopKOutputs } from './operators/selection.ts';
export { gradients } from './gradients/index.ts';
export { gradientRules } from './gradients/rules.ts';
export type { GradientRule, RuleContext } from './gradients/rule.ts';
export { lower } from './lower.ts';
