/** Gradient rules of element-wise operators and of the matrix product. */
import {
  abs,
  add,
  cast,
  div,
  equal,
  erf,
  exp,
  gemm,
  greater,
  greaterOrEqual,
  matMul,
  mul,
  neg,
  pow,
  sub,
  transpose,
  where,
} from '../operators/index.ts';
import { reshape } from '../operators/index.ts';
import { DiffrateError } from '../../errors.ts';
import { constantFloats, scalar } from '../tensor.ts';
import type { Tensor } from '../tensor.ts';
import { multiplyDimensions } from '../shapes.ts';
import { operand, result, sumToShape } from './operands.ts';
import type { GradientRule, RuleContext } from './rule.ts';

const incoming = (context: RuleContext): Tensor => context.gradients[0] as Tensor;

/** A rule for two broadcast operands from the two full-size products. */
function binaryRule(left: (context: RuleContext) => Tensor, right: (context: RuleContext) => Tensor): GradientRule {
  return (context) => {
    const [a, b] = [operand(context.node, 0), operand(context.node, 1)];
    return [
      context.needs[0] === true ? sumToShape(left(context), a.shape) : undefined,
      context.needs[1] === true ? sumToShape(right(context), b.shape) : undefined,
    ];
  };
}

/** A rule that multiplies the incoming gradient by the derivative. */
function unaryRule(derivative: (x: Tensor, y: Tensor) => Tensor): GradientRule {
  return (context) => [mul(incoming(context), derivative(operand(context.node, 0), result(context.node)))];
}

/** Max and Min: the gradient goes to the operand that won, to the first of equals. */
function chooseRule(firstWins: (a: Tensor, b: Tensor) => Tensor): GradientRule {
  const mask = ({ node }: RuleContext): Tensor => cast(firstWins(operand(node, 0), operand(node, 1)), 'float32');
  return binaryRule(
    (context) => mul(incoming(context), mask(context)),
    (context) => mul(incoming(context), sub(1, mask(context))),
  );
}

/** `Φ(x) + x·φ(x)`, the derivative of the exact GELU. */
function geluDerivative(x: Tensor): Tensor {
  const distribution = add(mul(erf(mul(x, Math.SQRT1_2)), 0.5), 0.5);
  const density = mul(exp(mul(mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return add(distribution, mul(x, density));
}

/** `e·x^(e − 1)` of a number `e`; nothing flows to the exponent, which is a constant. */
const powRule: GradientRule = (context) => {
  const [x, exponent] = [operand(context.node, 0), constantFloats(operand(context.node, 1))?.[0] ?? NaN];
  return [mul(mul(incoming(context), exponent), pow(x, exponent - 1)), undefined];
};

const swapLast = (x: Tensor): Tensor => {
  const axes = x.shape.map((_, axis) => axis);
  const last = axes.length - 1;
  return transpose(x, [...axes.slice(0, -2), last, last - 1]);
};

/**
 * `dA = dY·Bᵀ`, `dB = Aᵀ·dY`; where B is one matrix for a whole batch, the batch is folded into the
 * rows first.
 */
const matMulRule: GradientRule = ({ node, gradients, needs }) => {
  const [a, b] = [operand(node, 0), operand(node, 1)];
  const gradient = gradients[0] as Tensor;
  const left = needs[0] === true ? sumToShape(matMul(gradient, swapLast(b)), a.shape) : undefined;
  if (needs[1] !== true) return [left, undefined];
  if (b.shape.length === 2 && a.shape.length > 2) {
    const rows = multiplyDimensions(a.shape.slice(0, -1));
    const flat = (x: Tensor): Tensor => reshape(x, [rows, x.shape.at(-1) ?? 1]);
    return [left, matMul(swapLast(flat(a)), flat(gradient))];
  }
  return [left, sumToShape(matMul(swapLast(a), gradient), b.shape)];
};

/**
 * `dA = dY·B` or `dY·Bᵀ`, whichever the forward pass did not use; `dB` likewise; the bias sums the
 * rows. No weight is transposed.
 */
const gemmRule: GradientRule = ({ node, gradients, needs }) => {
  if (node.attributes['alpha'] !== undefined) throw new DiffrateError(`A scaled Gemm in ${node.scope} has no rule.`);
  const [a, b, bias] = [operand(node, 0), operand(node, 1), node.inputs[2]];
  const gradient = gradients[0] as Tensor;
  const attribute = node.attributes['transB'];
  const transposed = attribute !== undefined && 'int' in attribute && attribute.int === 1;
  const toWeight = (): Tensor => (transposed ? matMul(swapLast(gradient), a) : matMul(swapLast(a), gradient));
  return [
    needs[0] === true ? gemm(gradient, b, undefined, !transposed) : undefined,
    needs[1] === true ? toWeight() : undefined,
    needs[2] === true && bias !== undefined ? sumToShape(gradient, bias.shape) : undefined,
  ];
};

/** Rules of operators that compute element by element, and of MatMul. */
export const arithmeticRules: Readonly<Record<string, GradientRule>> = {
  Add: binaryRule(incoming, incoming),
  Sub: binaryRule(incoming, (context) => neg(incoming(context))),
  Mul: binaryRule(
    (context) => mul(incoming(context), operand(context.node, 1)),
    (context) => mul(incoming(context), operand(context.node, 0)),
  ),
  Div: binaryRule(
    (context) => div(incoming(context), operand(context.node, 1)),
    (context) => neg(div(mul(incoming(context), result(context.node)), operand(context.node, 1))),
  ),
  Max: chooseRule(greaterOrEqual),
  Min: chooseRule((a, b) => greaterOrEqual(b, a)),
  Pow: powRule,
  Neg: (context) => [neg(incoming(context))],
  Sqrt: (context) => [div(mul(incoming(context), 0.5), result(context.node))],
  Reciprocal: unaryRule((_, y) => neg(mul(y, y))),
  Exp: unaryRule((_, y) => y),
  Log: (context) => [div(incoming(context), operand(context.node, 0))],
  Erf: unaryRule((x) => mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI))),
  Tanh: unaryRule((_, y) => sub(1, mul(y, y))),
  Sigmoid: unaryRule((_, y) => mul(y, sub(1, y))),
  Relu: unaryRule((x) => cast(greater(x, 0), 'float32')),
  Abs: unaryRule((x) => where(equal(x, 0), scalar(0), div(x, abs(where(equal(x, 0), scalar(1), x))))),
  Gelu: unaryRule(geluDerivative),
  Cast: (context) => [cast(incoming(context), operand(context.node, 0).type)],
  Where: ({ node, gradients, needs }) => {
    const gradient = gradients[0] as Tensor;
    const condition = operand(node, 0);
    return [
      undefined,
      needs[1] === true ? sumToShape(where(condition, gradient, 0), operand(node, 1).shape) : undefined,
      needs[2] === true ? sumToShape(where(condition, 0, gradient), operand(node, 2).shape) : undefined,
    ];
  },
  MatMul: matMulRule,
  Gemm: gemmRule,
};
