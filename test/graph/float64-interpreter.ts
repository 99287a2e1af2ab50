/**
 * A plain float64 evaluator of symbolic tensors: the oracle for operators, gradients and lowering.
 * It shares nothing with ONNX Runtime and nothing with the shape rules of `src/graph`; shapes come
 * out of the values.
 */
import type { GraphNode, Tensor } from '../../src/graph/tensor.ts';
import { decodeBytes } from './float64-array.ts';
import type { Float64Tensor } from './float64-array.ts';
import { layoutMeanings } from './float64-layout.ts';
import { numericMeanings } from './float64-numeric.ts';
import type { Invocation, Meaning } from './float64-numeric.ts';

/** Every operator that the interpreter knows. */
export const meanings: Readonly<Record<string, Meaning>> = { ...numericMeanings, ...layoutMeanings };

/**
 * Values of some tensors.
 * @param given values of inputs, and of any other tensor that shall take a value instead of its
 *   own.
 */
export function interpret(tensors: readonly Tensor[], given: ReadonlyMap<Tensor, Float64Tensor>): Float64Tensor[] {
  const values = new Map<Tensor, Float64Tensor>(given);
  const computed = new Map<GraphNode, readonly Float64Tensor[]>();
  const compute = (tensor: Tensor): Float64Tensor => {
    const { source } = tensor;
    switch (source.kind) {
      case 'input':
        throw new TypeError(`no value is given for the input ${source.name}`);
      case 'constant':
        return decodeBytes(source.bytes, tensor.type, tensor.shape.map(Number));
      case 'custom':
        return evaluate(source.value);
      case 'node': {
        const outputs = computed.get(source.node) ?? run(source.node, evaluate);
        computed.set(source.node, outputs);
        return outputs[source.output] as Float64Tensor;
      }
    }
  };
  const evaluate = (tensor: Tensor): Float64Tensor => {
    const value = values.get(tensor) ?? compute(tensor);
    values.set(tensor, value);
    return value;
  };
  return tensors.map(evaluate);
}

function run(node: GraphNode, evaluate: (tensor: Tensor) => Float64Tensor): readonly Float64Tensor[] {
  const meaning = meanings[node.operator];
  if (meaning === undefined) throw new TypeError(`the interpreter does not know ${node.operator}`);
  const inputs = node.inputs.map((value) => (value === undefined ? undefined : evaluate(value)));
  const attribute = (name: string) => node.attributes[name];
  const invocation: Invocation = {
    inputs,
    input: (index) => {
      const value = inputs[index];
      if (value === undefined) throw new TypeError(`${node.operator} has no input ${index}`);
      return value;
    },
    int: (name, otherwise) => {
      const found = attribute(name);
      return found !== undefined && 'int' in found ? found.int : otherwise;
    },
    float: (name, otherwise) => {
      const found = attribute(name);
      return found !== undefined && 'float' in found ? found.float : otherwise;
    },
    ints: (name) => {
      const found = attribute(name);
      return found !== undefined && 'ints' in found ? found.ints : [];
    },
  };
  return meaning(invocation);
}

/**
 * Central finite differences of a scalar with respect to each element of a tensor, which may be any
 * of the graph's.
 * @param step distance of the two points; inputs are of the order of 1.
 */
export function finiteDifferences(
  loss: Tensor,
  wrt: Tensor,
  given: ReadonlyMap<Tensor, Float64Tensor>,
  step = 1e-5,
): Float64Tensor {
  const [value] = interpret([wrt], given) as [Float64Tensor];
  const lossAt = (index: number, change: number): number => {
    const changed = { shape: value.shape, data: value.data.with(index, (value.data[index] as number) + change) };
    return interpret([loss], new Map([...given, [wrt, changed]]))[0]?.data[0] as number;
  };
  return {
    shape: value.shape,
    data: value.data.map((_, index) => (lossAt(index, step) - lossAt(index, -step)) / (2 * step)),
  };
}
