/**
 * Gradient rules of reductions, softmax and layer normalisation; each reuses what the forward pass
 * computed.
 */
import { DiffrateError } from '../../errors.ts';
import {
  add,
  cast,
  div,
  dynamicSlice,
  exp,
  expandLike,
  mul,
  reduceMean,
  reduceSum,
  reshape,
  shapeOf,
  sub,
} from '../operators/index.ts';
import { constantBytes, constantFloats, int64Vector } from '../tensor.ts';
import type { GraphNode, Tensor } from '../tensor.ts';
import { operand, result, sumToShape } from './operands.ts';
import type { GradientRule, RuleContext } from './rule.ts';

/** Stands in for the length of a vector of zeros. */
const smallestLength = 1e-20;

/** Puts reduced axes back as ones, so that the gradient broadcasts against the operand. */
function withReducedAxes(gradient: Tensor, node: GraphNode): { gradient: Tensor; axes: readonly number[] } {
  const x = operand(node, 0);
  const bytes = constantBytes(operand(node, 1)) as Uint8Array;
  const axes = [...new BigInt64Array(bytes.slice().buffer)].map(Number);
  return {
    gradient: reshape(
      gradient,
      x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)),
    ),
    axes,
  };
}

const reduceMeanRule: GradientRule = ({ node, gradients }) => {
  const x = operand(node, 0);
  const { gradient, axes } = withReducedAxes(gradients[0] as Tensor, node);
  const share = axes.reduce((sum, axis) => {
    const size = x.shape[axis];
    return typeof size === 'number' ? mul(sum, 1 / size) : div(sum, sizeAtRunTime(x, axis));
  }, gradient);
  return [expandLike(share, x)];
};

/** The size of a named axis as a float32 vector of one element. */
function sizeAtRunTime(x: Tensor, axis: number): Tensor {
  return cast(dynamicSlice(shapeOf(x), 0, int64Vector([axis]), int64Vector([axis + 1]), 1), 'float32');
}

/** `dx = y ∘ (g − Σ g∘y)`. */
const softmaxRule: GradientRule = ({ node, gradients }) => {
  const y = result(node);
  const product = mul(gradients[0] as Tensor, y);
  return [sub(product, mul(y, reduceSum(product, [softmaxAxis(node)], true)))];
};

/** `dx = g − softmax(x)·Σ g`. */
const logSoftmaxRule: GradientRule = ({ node, gradients }) => {
  const gradient = gradients[0] as Tensor;
  return [sub(gradient, mul(exp(result(node)), reduceSum(gradient, [softmaxAxis(node)], true)))];
};

function softmaxAxis(node: GraphNode): number {
  const attribute = node.attributes['axis'];
  return attribute !== undefined && 'int' in attribute ? attribute.int : -1;
}

const everyValue = (tensor: Tensor, value: number): boolean =>
  constantFloats(tensor)?.every((entry) => entry === value) ?? false;

/**
 * `dx = (h − mean h − x̂·mean(h∘x̂))·σ⁻¹` with `h = g∘scale`; an identity scale and bias mean that
 * y itself is x̂.
 */
const layerNormalizationRule: GradientRule = (context) => {
  const { node, gradients, needs } = context;
  if (gradients[1] !== undefined || gradients[2] !== undefined) {
    throw new DiffrateError(`The statistics of LayerNormalization in ${node.scope} have no gradient rule.`);
  }
  const [x, scale, bias] = [operand(node, 0), operand(node, 1), operand(node, 2)];
  const [y, mean, inverse] = [result(node, 0), result(node, 1), result(node, 2)];
  const gradient = gradients[0] as Tensor;
  const unscaled = everyValue(scale, 1);
  const normalized = unscaled && everyValue(bias, 0) ? y : mul(sub(x, mean), inverse);
  const scaled = unscaled ? gradient : mul(gradient, scale);
  const projection = mul(normalized, reduceMean(mul(scaled, normalized), [-1], true));
  const centered = sub(sub(scaled, reduceMean(scaled, [-1], true)), projection);
  return [
    needs[0] === true ? mul(centered, inverse) : undefined,
    needs[1] === true ? sumToShape(mul(gradient, normalized), scale.shape) : undefined,
    needs[2] === true ? sumToShape(gradient, bias.shape) : undefined,
  ];
};

/** Rules of operators that reduce or normalise. */
export const normalizationRules: Readonly<Record<string, GradientRule>> = {
  // `d‖x‖ = x / ‖x‖`; a vector of zeros gets no gradient.
  ReduceL2: ({ node, gradients }: RuleContext) => {
    const x = operand(node, 0);
    const { gradient } = withReducedAxes(gradients[0] as Tensor, node);
    const { gradient: length } = withReducedAxes(result(node), node);
    return [mul(gradient, div(x, add(length, smallestLength)))];
  },
  ReduceSum: ({ node, gradients }: RuleContext) => [
    expandLike(withReducedAxes(gradients[0] as Tensor, node).gradient, operand(node, 0)),
  ],
  ReduceMean: reduceMeanRule,
  Softmax: softmaxRule,
  LogSoftmax: logSoftmaxRule,
  LayerNormalization: layerNormalizationRule,
};
