/**
 * Element-wise ONNX operators; two operands broadcast as in NumPy, plain numbers become float32
 * scalars.
 */
import { DiffrateError } from '../../errors.ts';
import { elementTypeNumbers } from '../../onnx/model.ts';
import { broadcastShapes } from '../shapes.ts';
import { formatShape, makeSingle, scalar } from '../tensor.ts';
import type { ElementType, Tensor } from '../tensor.ts';

/** A tensor, or a number that stands for a float32 scalar. */
export type Operand = Tensor | number;

const asTensor = (operand: Operand): Tensor => (typeof operand === 'number' ? scalar(operand) : operand);

function binary(operator: string, left: Operand, right: Operand, type?: ElementType): Tensor {
  const [a, b] = [asTensor(left), asTensor(right)];
  requireSameType(operator, a, b);
  return makeSingle(operator, [a, b], { type: type ?? a.type, shape: broadcastShapes(operator, a.shape, b.shape) });
}

function requireSameType(operator: string, a: Tensor, b: Tensor): void {
  if (a.type === b.type) return;
  throw new DiffrateError(`${operator} needs two tensors of one type, not ${a.type} and ${b.type}; cast one of them.`);
}

function unary(operator: string, x: Tensor): Tensor {
  return makeSingle(operator, [x], { type: x.type, shape: x.shape });
}

/** `a + b`. */
export const add = (a: Operand, b: Operand): Tensor => binary('Add', a, b);
/** `a − b`. */
export const sub = (a: Operand, b: Operand): Tensor => binary('Sub', a, b);
/** `a · b`, element by element. */
export const mul = (a: Operand, b: Operand): Tensor => binary('Mul', a, b);
/** `a / b`, element by element. */
export const div = (a: Operand, b: Operand): Tensor => binary('Div', a, b);
/** The larger of two; where they are equal the gradient goes to the first. */
export const max = (a: Operand, b: Operand): Tensor => binary('Max', a, b);
/** The smaller of two; where they are equal the gradient goes to the first. */
export const min = (a: Operand, b: Operand): Tensor => binary('Min', a, b);
/** 1 where equal (bool). */
export const equal = (a: Operand, b: Operand): Tensor => binary('Equal', a, b, 'bool');
/** True where `a < b`. */
export const less = (a: Operand, b: Operand): Tensor => binary('Less', a, b, 'bool');
/** True where `a > b`. */
export const greater = (a: Operand, b: Operand): Tensor => binary('Greater', a, b, 'bool');
/** True where `a ≥ b`. */
export const greaterOrEqual = (a: Operand, b: Operand): Tensor => binary('GreaterOrEqual', a, b, 'bool');

/** `−x`. */
export const neg = (x: Tensor): Tensor => unary('Neg', x);
/** `x` to the power of a number. */
export const pow = (x: Tensor, exponent: number): Tensor => binary('Pow', x, exponent);
/** Square root. */
export const sqrt = (x: Tensor): Tensor => unary('Sqrt', x);
/** `1 / x`. */
export const reciprocal = (x: Tensor): Tensor => unary('Reciprocal', x);
/** Exponential. */
export const exp = (x: Tensor): Tensor => unary('Exp', x);
/** Natural logarithm. */
export const log = (x: Tensor): Tensor => unary('Log', x);
/** Gauss error function. */
export const erf = (x: Tensor): Tensor => unary('Erf', x);
/** Hyperbolic tangent. */
export const tanh = (x: Tensor): Tensor => unary('Tanh', x);
/** Logistic function. */
export const sigmoid = (x: Tensor): Tensor => unary('Sigmoid', x);
/** Rectified linear unit, `max(x, 0)`; its gradient at 0 is 0. */
export const relu = (x: Tensor): Tensor => unary('Relu', x);
/** Absolute value; its gradient at 0 is 0. */
export const abs = (x: Tensor): Tensor => unary('Abs', x);
/** Exponential linear unit: `x` where positive, otherwise `eˣ − 1`. */
export const elu = (x: Tensor): Tensor => unary('Elu', x);

/**
 * The smaller of `x` and a number; ONNX Runtime's `Min` with a number is twice as slow. It has no
 * gradient rule.
 */
export function clip(x: Tensor, largest: number): Tensor {
  return makeSingle('Clip', [x, undefined, scalar(largest)], { type: x.type, shape: x.shape });
}

/** GELU in its exact form, `x·Φ(x)`; one fused operator since operator set 20. */
export function gelu(x: Tensor): Tensor {
  return makeSingle('Gelu', [x], { type: x.type, shape: x.shape }, { approximate: { string: 'none' } });
}

/**
 * `gelu(x + bias)`, the bias along the last axis: ONNX Runtime's fused operator, for graphs that
 * only it runs. No rule: see `nn/trained-mlp.ts`.
 */
export function biasGelu(x: Tensor, bias: Tensor): Tensor {
  if (bias.shape.length !== 1 || bias.shape[0] !== x.shape.at(-1))
    throw new DiffrateError(
      `BiasGelu of ${formatShape(x.shape)} needs a bias of [${x.shape.at(-1)}], not ${formatShape(bias.shape)}.`,
    );
  return makeSingle('BiasGelu', [x, bias], { type: x.type, shape: x.shape }, {}, 'com.microsoft');
}

/** Converts the element type; the gradient is cast back. */
export function cast(x: Tensor, type: ElementType): Tensor {
  return makeSingle('Cast', [x], { type, shape: x.shape }, { to: { int: elementTypeNumbers[type] } });
}

/** `condition ? a : b`, broadcasting all three. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const [left, right] = [asTensor(a), asTensor(b)];
  requireSameType('Where', left, right);
  const shape = broadcastShapes('Where', condition.shape, broadcastShapes('Where', left.shape, right.shape));
  return makeSingle('Where', [condition, left, right], { type: left.type, shape });
}
