/**
 * Symbolic tensors. A network is a TypeScript function over them; nothing is computed until the
 * graph of some outputs is lowered to ONNX (`lower.ts`) and run. A tensor knows its element type,
 * its shape and where it comes from.
 */
import type { Dimension, ElementType, OnnxAttribute } from '../onnx/model.ts';
import { DiffrateError } from '../errors.ts';

export type { Dimension, ElementType } from '../onnx/model.ts';

/** Sizes per axis; a string names a dimension that is known only at run time (`'batch'`). */
export type Shape = readonly Dimension[];

/** One ONNX operation with its inputs and the tensors it yields. */
export interface GraphNode {
  readonly operator: string;
  readonly domain: string;
  /** `undefined` stands for an omitted optional input. */
  readonly inputs: readonly (Tensor | undefined)[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
  /** Where in the network the node was made (`blocks.3/merge`), for profiles and error messages. */
  readonly scope: string;
  readonly outputs: readonly Tensor[];
}

/**
 * Gradient of a custom region: from the gradient of its value to those of its inputs (`undefined`:
 * none flows).
 */
export type CustomGradient = (gradient: Tensor) => readonly (Tensor | undefined)[];

/** Where a tensor comes from. */
export type TensorSource =
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'constant'; readonly name: string | undefined; readonly bytes: Uint8Array }
  | { readonly kind: 'node'; readonly node: GraphNode; readonly output: number }
  | {
      readonly kind: 'custom';
      readonly value: Tensor;
      readonly inputs: readonly Tensor[];
      readonly rule: CustomGradient;
    };

/** A symbolic tensor; made by `input`, `constant`, the operators and `customGradient` only. */
export interface Tensor {
  readonly type: ElementType;
  readonly shape: Shape;
  readonly source: TensorSource;
}

/** A value that the caller feeds when the graph runs. */
export function input(name: string, type: ElementType, shape: Shape): Tensor {
  return { type, shape, source: { kind: 'input', name } };
}

/** Memory that a constant's values may be given in. */
export type NumericArray = Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array | Uint16Array;

/**
 * A constant from a typed array, whose memory is referenced, not copied.
 * @param name given to parameters, so that the exported file carries the checkpoint's names.
 * @throws {DiffrateError} if the array's length does not fit the shape.
 */
export function constant(values: NumericArray, shape: readonly number[], type: ElementType, name?: string): Tensor {
  const expected = elementCount(shape);
  if (values.length !== expected) {
    throw new DiffrateError(
      `The constant ${name ?? ''} of shape ${formatShape(shape)} needs ${expected} values and has ${values.length}.`,
    );
  }
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { type, shape, source: { kind: 'constant', name, bytes } };
}

/** A float32 scalar. */
export function scalar(value: number): Tensor {
  return constant(Float32Array.of(value), [], 'float32');
}

/** A vector of int64 values. */
export function int64Vector(values: readonly number[]): Tensor {
  return constant(BigInt64Array.from(values, BigInt), [values.length], 'int64');
}

const scopes: string[] = [];

/** Runs `build`; every node made in it carries the name in its scope (`blocks.3/merge`). */
export function inScope<T>(name: string, build: () => T): T {
  scopes.push(name);
  try {
    return build();
  } finally {
    scopes.pop();
  }
}

/** Type and shape of one output of a node. */
export interface OutputDescription {
  readonly type: ElementType;
  readonly shape: Shape;
}

/** Makes a node and its output tensors; only operators call it, after checking shapes. */
export function makeNode(
  operator: string,
  inputs: readonly (Tensor | undefined)[],
  outputs: readonly OutputDescription[],
  attributes: Readonly<Record<string, OnnxAttribute>> = {},
  domain = '',
): readonly Tensor[] {
  const tensors: Tensor[] = [];
  const node: GraphNode = { operator, domain, inputs, attributes, scope: scopes.join('/'), outputs: tensors };
  outputs.forEach(({ type, shape }, output) => tensors.push({ type, shape, source: { kind: 'node', node, output } }));
  return tensors;
}

/** Makes a node with one output. */
export function makeSingle(
  operator: string,
  inputs: readonly (Tensor | undefined)[],
  output: OutputDescription,
  attributes: Readonly<Record<string, OnnxAttribute>> = {},
  domain = '',
): Tensor {
  return makeNode(operator, inputs, [output], attributes, domain)[0] as Tensor;
}

/**
 * The same value, with its own gradient: `rule` takes the place of whatever computed it, as in
 * JAX's `custom_vjp`. Straight-through estimators and fused backward passes are written with it.
 */
export function customGradient(value: Tensor, inputs: readonly Tensor[], rule: CustomGradient): Tensor {
  return { type: value.type, shape: value.shape, source: { kind: 'custom', value, inputs, rule } };
}

/** The same value, through which no gradient flows. */
export function stopGradient(value: Tensor): Tensor {
  return customGradient(value, [], () => []);
}

/** Number of elements of a shape of numbers. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A shape as text: `[batch, 197, 192]`. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** The dimension at an axis; negative axes count from the end. */
export function dimensionAt(tensor: Tensor, axis: number): Dimension {
  const size = tensor.shape.at(axis);
  if (size === undefined) {
    throw new DiffrateError(`A tensor of shape ${formatShape(tensor.shape)} has no axis ${axis}.`);
  }
  return size;
}

/** The size at an axis that must be a number. */
export function sizeAt(tensor: Tensor, axis: number): number {
  const size = dimensionAt(tensor, axis);
  if (typeof size !== 'number') {
    throw new DiffrateError(`Axis ${axis} of ${formatShape(tensor.shape)} must be a number here, not "${size}".`);
  }
  return size;
}

/** Makes an axis non-negative. */
export function normalizeAxis(axis: number, rank: number): number {
  const normalized = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normalized < 0 || normalized >= rank) {
    throw new DiffrateError(`Axis ${axis} does not exist in a tensor of ${rank} axes.`);
  }
  return normalized;
}

/** Bytes of a constant tensor, or `undefined`. */
export function constantBytes(tensor: Tensor): Uint8Array | undefined {
  return tensor.source.kind === 'constant' ? tensor.source.bytes : undefined;
}

/** Values of a float32 constant, or `undefined` for anything else. */
export function constantFloats(tensor: Tensor): Float32Array | undefined {
  const bytes = constantBytes(tensor);
  if (bytes === undefined || tensor.type !== 'float32') return undefined;
  if (bytes.byteOffset % 4 !== 0) return new Float32Array(bytes.slice().buffer);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}
