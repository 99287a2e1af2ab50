/**
 * The part of ONNX's `ModelProto` (onnx.proto3) that this project reads and writes, as plain
 * values. Bytes of tensors are views, never copies: a model of 350 MB is described by a few
 * kilobytes of objects.
 */

/** Element types by ONNX's names; `TensorProto.DataType` gives the numbers. */
export type ElementType =
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'float64'
  | 'int64'
  | 'int32'
  | 'int8'
  | 'uint8'
  | 'bool'
  | 'string';

/** `TensorProto.DataType` of onnx.proto3. */
export const elementTypeNumbers: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
};

/** Bytes per element (strings have no fixed size and count as 0). */
export const elementTypeBytes: Readonly<Record<ElementType, number>> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  int32: 4,
  int64: 8,
  string: 0,
  bool: 1,
  float16: 2,
  float64: 8,
  bfloat16: 2,
};

/** A dimension: a number, or the name of one that is known only when the model runs. */
export type Dimension = number | string;

/** A constant tensor (`TensorProto`) in little-endian `raw_data` or in an external file. */
export interface OnnxTensor {
  readonly name: string;
  /** Any but `string`, which only inputs and outputs may be. */
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/**
 * Attributes by type; integers are marked by `{ int }`, so that 1.0 stays a float. Beyond 2^53 they
 * are the nearest number.
 */
export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  | { readonly tensor: OnnxTensor };

/** One operation (`NodeProto`). An empty input name is an omitted optional input. */
export interface OnnxNode {
  readonly operator: string;
  /** Operator set; the empty string is the standard one. */
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** Name, type and shape of a graph input or output (`ValueInfoProto`). */
export interface OnnxValue {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly Dimension[];
}

/** A model with one graph. */
export interface OnnxModel {
  readonly irVersion: number;
  readonly producer: string;
  /** Operator sets by domain; the empty domain is the standard one. */
  readonly operatorSets: Readonly<Record<string, number>>;
  readonly graphName: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Free key–value pairs (`metadata_props`). */
  readonly metadata: Readonly<Record<string, string>>;
}
