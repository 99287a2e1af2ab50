/**
 * The parameters that training moves: one flat vector in memory, and which part of it is which
 * tensor of the network. Weights, gradients, the optimizer's moments and the averaged weights are
 * vectors of the same layout. ONNX Runtime reads and writes views of them.
 */
import { float32Tensor } from '../checkpoints/weights.ts';
import type { Weights } from '../checkpoints/weights.ts';
import { resolve } from '../graph/lower.ts';
import { constantFloats, elementCount } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { forward, pixelInput } from '../networks/forward.ts';
import type { Network } from '../networks/network.ts';
import { networkParameters, parameterRecorder } from '../networks/recorded-parameters.ts';
import type { Parameters } from '../nn/parameters.ts';
import type { LearnedParameter } from '../reduction/methods/learned.ts';
import { DiffrateError } from '../errors.ts';

/** One tensor of the network in the vector. */
export interface TrainedParameter {
  /** The network's own, which is timm's for the families that timm has. */
  readonly name: string;
  readonly shape: readonly number[];
  /** First element in the vector. */
  readonly offset: number;
  readonly length: number;
  /** Whether weight decay shrinks it. */
  readonly decays: boolean;
  /** Learning rate as a multiple of the recipe's; 1 for the network's own. */
  readonly learningRateFactor: number;
  /** Where every element of a method's parameter starts, if not drawn. */
  readonly initial?: number | undefined;
  /** Least and greatest value, to which it is brought back after each step. */
  readonly range?: readonly [number, number] | undefined;
}

/** What lies where in a vector of all parameters. */
export interface ParameterLayout {
  readonly parameters: readonly TrainedParameter[];
  /** Elements in all. */
  readonly length: number;
}

/**
 * Whether a parameter is a list of tokens, or is added to one: prefix tokens and position
 * embeddings, `[1, n, C]`. Whatever multiplies tokens has two axes (linear layers) or four
 * (convolutions).
 */
export function isOfTokens(shape: readonly number[]): boolean {
  return shape.length === 3 && shape[0] === 1;
}

/**
 * timm's rule (`param_groups_weight_decay`, `no_weight_decay`) in terms of shapes; names differ
 * from family to family. What has one axis is spared (biases, norms), and so are lists of tokens
 * (position embeddings, prefix tokens).
 */
const decays = (shape: readonly number[]): boolean => shape.length > 1 && !isOfTokens(shape);

/**
 * The layout of the parameters that a network's answer depends on, those of a method behind them.
 * @param has which optional parameters there are, all by default.
 */
export function layoutOf(
  network: Network,
  has?: (name: string) => boolean,
  learned: readonly LearnedParameter[] = [],
): ParameterLayout {
  const parameters = parameterRecorder(has);
  const { answer } = forward(network, pixelInput(network), { parameters });
  const reached = inputsOf(answer);
  const own = parameters.recorded.filter(({ name }) => reached.has(name));
  return packed([...ownParameters(own), ...methodParameters(learned)]);
}

/** Names of the inputs of a graph that a tensor depends on. */
function inputsOf(output: Tensor): Set<string> {
  const names = new Set<string>();
  const seen = new Set<Tensor>();
  const open = [resolve(output)];
  for (let tensor = open.pop(); tensor !== undefined; tensor = open.pop()) {
    if (seen.has(tensor)) continue;
    seen.add(tensor);
    const { source } = tensor;
    if (source.kind === 'input') names.add(source.name);
    if (source.kind === 'node')
      for (const value of source.node.inputs) if (value !== undefined) open.push(resolve(value));
  }
  return names;
}

/** The layout of a method's parameters alone, where the network's stay as they are. */
export function learnedLayout(learned: readonly LearnedParameter[]): ParameterLayout {
  return packed(methodParameters(learned));
}

/** The layout of a part of these parameters, in the same order. */
export function partialLayout(
  { parameters }: ParameterLayout,
  keeps: (parameter: TrainedParameter) => boolean,
): ParameterLayout {
  return packed(parameters.filter(keeps));
}

type Unplaced = Omit<TrainedParameter, 'offset' | 'length'>;

function ownParameters(own: readonly Pick<TrainedParameter, 'name' | 'shape'>[]): Unplaced[] {
  return own.map(({ name, shape }) => ({ name, shape, decays: decays(shape), learningRateFactor: 1 }));
}

function methodParameters(learned: readonly LearnedParameter[]): Unplaced[] {
  return learned.map((parameter) => ({ ...parameter, decays: decays(parameter.shape) }));
}

function packed(parameters: readonly Unplaced[]): ParameterLayout {
  let end = 0;
  const placed = parameters.map((parameter) => {
    const [offset, length] = [end, elementCount(parameter.shape)];
    end += length;
    return { ...parameter, offset, length };
  });
  return { parameters: placed, length: end };
}

/** The part of a vector that is one parameter, in place. */
export function partOf(vector: Float32Array, { offset, length }: TrainedParameter): Float32Array {
  return vector.subarray(offset, offset + length);
}

/**
 * A copy of a network's weights as one vector.
 * @param fresh what parameters start with that the network has not (a method's before it was
 *   trained); without it they are an error.
 */
export function vectorOf(layout: ParameterLayout, parameters: Parameters, fresh?: Float32Array): Float32Array {
  const vector = new Float32Array(layout.length);
  for (const parameter of layout.parameters) {
    if (fresh !== undefined && !parameters.has(parameter.name)) {
      partOf(vector, parameter).set(partOf(fresh, parameter));
      continue;
    }
    const values = constantFloats(parameters.tensor(parameter.name, parameter.shape));
    if (values === undefined) throw new DiffrateError(`The parameter ${parameter.name} has no values to train from.`);
    vector.set(values, parameter.offset);
  }
  return vector;
}

/** The weights of a whole network: those that were trained, and all others as they were. */
export function wholeNetwork(
  network: Network,
  { layout, weights }: { readonly layout: ParameterLayout; readonly weights: Float32Array },
  untrained: Parameters,
): { readonly layout: ParameterLayout; readonly weights: Float32Array } {
  const own = networkParameters(network, untrained.has);
  const names = new Set(own.map(({ name }) => name));
  const whole = packed([...ownParameters(own), ...layout.parameters.filter(({ name }) => !names.has(name))]);
  const vector = vectorOf(whole, untrained, new Float32Array(whole.length));
  for (const parameter of layout.parameters) {
    const place = whole.parameters.find(({ name }) => name === parameter.name);
    if (place !== undefined) partOf(vector, place).set(partOf(weights, parameter));
  }
  return { layout: whole, weights: vector };
}

/** Brings back to their ranges what a step has moved out of them, in place. */
export function bringBack(layout: ParameterLayout, vector: Float32Array): void {
  for (const parameter of layout.parameters) {
    if (parameter.range === undefined) continue;
    const [least, greatest] = parameter.range;
    const part = partOf(vector, parameter);
    part.forEach((value, index) => (part[index] = Math.min(greatest, Math.max(least, value))));
  }
}

/** A vector as named tensors over its memory. */
export function weightsOf(layout: ParameterLayout, vector: Float32Array): Weights {
  return new Map(
    layout.parameters.map((parameter) => {
      const { name, shape } = parameter;
      return [name, float32Tensor(name, shape, partOf(vector, parameter))] as const;
    }),
  );
}
