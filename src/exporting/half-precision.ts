/**
 * A model in half precision: weights stored as float16 and the network computed in it, with float32
 * inputs and outputs as transformers.js expects of `model_fp16.onnx`. A pass over the ONNX model,
 * like onnxconverter-common's float16 tool.
 *
 * What half precision would harm stays in float32: choosing and merging tokens (squared norms of
 * tokens pass 65504, and near-ties in importance would be decided by rounding), the logarithm of
 * sizes, and the pooled features. Layer norms take and give halves but compute their statistics in
 * float32 (`stash_type` 1, ONNX's default).
 */
import { DiffrateError } from '../errors.ts';
import { elementTypeNumbers } from '../onnx/model.ts';
import type { ElementType, OnnxModel, OnnxNode, OnnxTensor, OnnxValue } from '../onnx/model.ts';
import { float16Bits } from '../checkpoints/float16.ts';

type FloatType = 'float32' | 'float16';

/** Operators that only move data and work on whatever they are given. */
const movesData = new Set([
  'Concat',
  'Expand',
  'Gather',
  'GatherElements',
  'GatherND',
  'Identity',
  'Pad',
  'Reshape',
  'Slice',
  'Split',
  'Transpose',
]);

/** Scopes whose arithmetic stays in float32, products with weights excepted. */
const preciseScopes = new Set(['reduction', 'pool']);

const matrixProducts = new Set(['MatMul', 'Gemm']);

const booleanOperators = new Set(['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual', 'Not', 'And', 'Or']);

/**
 * The model with float16 weights and arithmetic. Names of inputs, outputs and weights stay.
 * @throws {DiffrateError} for a graph that holds floats other than float32.
 */
export function toHalfPrecision(model: OnnxModel): OnnxModel {
  return new HalfPrecisionPass(model).run();
}

class HalfPrecisionPass {
  readonly #model: OnnxModel;
  /** Element types in the new graph, by value name. */
  readonly #types = new Map<string, ElementType>();
  readonly #weights: ReadonlyMap<string, OnnxTensor>;
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers = new Map<string, OnnxTensor>();
  /** Values cast so far, by the name of the result. */
  readonly #casts = new Set<string>();

  constructor(model: OnnxModel) {
    this.#model = model;
    this.#weights = new Map(model.initializers.map((tensor) => [tensor.name, tensor]));
  }

  run(): OnnxModel {
    for (const { name, type } of this.#model.inputs) this.#types.set(name, type);
    const outputs = new Map(this.#model.outputs.map((value) => [value.name, value]));
    for (const node of this.#model.nodes) this.#convert(node, outputs);
    return { ...this.#model, nodes: this.#nodes, initializers: [...this.#initializers.values()] };
  }

  #convert(node: OnnxNode, outputs: ReadonlyMap<string, OnnxValue>): void {
    const wanted = this.#typeFor(node);
    const inputs = node.inputs.map((name) => (name === '' ? '' : this.#input(name, wanted)));
    const types = node.outputs.map((_, index) => this.#outputType(node, index, inputs, wanted));
    const attributes =
      node.operator === 'Cast' && types[0] !== undefined
        ? { ...node.attributes, to: { int: elementTypeNumbers[types[0]] } }
        : node.attributes;
    // A half that is an output of the model gets another name, so that its cast to float32 can have
    // the output's.
    const names = node.outputs.map((name, index) =>
      types[index] === 'float16' && outputs.get(name)?.type === 'float32' ? `${name}:float16` : name,
    );
    this.#nodes.push({ ...node, inputs, outputs: names, attributes });
    for (const [index, name] of names.entries()) this.#types.set(name, types[index] ?? 'float32');
    for (const [index, name] of node.outputs.entries()) {
      if (names[index] !== name) this.#cast(names[index] ?? '', name, 'float32');
    }
  }

  /** The type that a node's floats get. */
  #typeFor(node: OnnxNode): FloatType {
    const isPrecise = node.name.split('/').some((scope) => preciseScopes.has(scope));
    if (movesData.has(node.operator)) {
      // A table of positions: halves count to 2,048 only.
      if (isPrecise && this.#weights.has(node.inputs[0] ?? '')) return 'float32';
      const data = node.operator === 'Concat' ? node.inputs : node.inputs.slice(0, 1);
      return data.every((name) => this.#types.get(name) === 'float32') ? 'float32' : 'float16';
    }
    if (node.operator === 'Log') return 'float32';
    // Weights are matrices; a constant column that sums rows is none.
    const multipliesWeights =
      matrixProducts.has(node.operator) && this.#weights.get(node.inputs[1] ?? '')?.shape.length === 2;
    return isPrecise && !multipliesWeights ? 'float32' : 'float16';
  }

  /** The name under which a node finds an input in the type that it wants. */
  #input(name: string, wanted: FloatType): string {
    const weight = this.#weights.get(name);
    if (weight !== undefined) return this.#initializer(weight, wanted);
    const type = this.#types.get(name);
    if (type === undefined)
      throw new DiffrateError(`The graph reads "${name}" before any node gives it; its nodes are out of order.`);
    if ((type !== 'float32' && type !== 'float16') || type === wanted) return name;
    // An output of the model may still exist as the half that it was cast from.
    const half = `${name}:float16`;
    if (wanted === 'float16' && this.#types.get(half) === 'float16') return half;
    const result = `${name}:${wanted}`;
    if (!this.#casts.has(result)) this.#cast(name, result, wanted);
    return result;
  }

  #initializer(weight: OnnxTensor, wanted: FloatType): string {
    const halved = weight.type === 'float32' && wanted === 'float16';
    if (weight.type === 'float64' || weight.type === 'bfloat16' || weight.type === 'float16') {
      throw new DiffrateError(
        `The tensor "${weight.name}" is ${weight.type}; only float32 graphs can be converted to half precision.`,
      );
    }
    const name = weight.type === 'float32' && !halved ? `${weight.name}:float32` : weight.name;
    if (!this.#initializers.has(name)) {
      const converted = halved ? { type: 'float16' as const, bytes: halfBytes(weight.bytes) } : {};
      this.#initializers.set(name, { ...weight, ...converted, name });
      this.#types.set(name, halved ? 'float16' : weight.type);
    }
    return name;
  }

  #cast(from: string, to: string, type: FloatType): void {
    const attributes = { to: { int: elementTypeNumbers[type] } };
    this.#nodes.push({ operator: 'Cast', domain: '', name: `${to}/Cast`, inputs: [from], outputs: [to], attributes });
    this.#casts.add(to);
    this.#types.set(to, type);
  }

  #outputType(node: OnnxNode, index: number, inputs: readonly string[], wanted: FloatType): ElementType {
    const { operator, attributes } = node;
    if (booleanOperators.has(operator)) return 'bool';
    if (operator === 'Shape' || operator === 'ArgMax' || (operator === 'TopK' && index === 1)) return 'int64';
    if (operator === 'Cast') {
      const to = attributes['to'];
      const number = to !== undefined && 'int' in to ? to.int : elementTypeNumbers.float32;
      if (number === elementTypeNumbers.float32) return wanted;
      return (Object.entries(elementTypeNumbers).find(([, value]) => value === number)?.[0] ??
        'float32') as ElementType;
    }
    return this.#types.get(inputs[operator === 'Where' ? 1 : 0] ?? '') ?? wanted;
  }
}

function halfBytes(bytes: Uint8Array): Uint8Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const values = new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
  return new Uint8Array(float16Bits(values).buffer);
}
