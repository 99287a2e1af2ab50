/**
 * Dynamic 8-bit quantisation, as onnxruntime's `quantize_dynamic` does it: weights of matrix
 * products are stored as 8-bit integers, activations become 8-bit when the model runs, and products
 * are summed in 32-bit integers. A pass over the ONNX model.
 *
 * Weights are uint8 with a scale and a zero point per output channel. Signed weights would saturate
 * on x64 processors without VNNI (their instruction adds pairs of products in 16 bits), unsigned
 * ones are exact everywhere.
 *
 * The patch embedding, a convolution over pixels, stays as it is: 3 % of DeiT-T's weights, and
 * everything else reads what it gives.
 */
import { elementTypeNumbers } from '../onnx/model.ts';
import type { OnnxModel, OnnxNode, OnnxTensor } from '../onnx/model.ts';

/** A weight as integers: `weight ≈ (integer − zeroPoint) · scale`, per column. */
export interface QuantizedWeight {
  /** uint8 `[K, N]` */
  readonly values: Uint8Array;
  /** `[N]` */
  readonly scales: Float32Array;
  /** `[N]` */
  readonly zeroPoints: Uint8Array;
}

const largest = 255;

/** Quantises a matrix `[rows, columns]` column by column; 0 is always representable exactly. */
export function quantizeColumns(weight: Float32Array, rows: number, columns: number): QuantizedWeight {
  const minima = new Float32Array(columns);
  const maxima = new Float32Array(columns);
  for (let index = 0, column = 0; index < weight.length; index++, column = (column + 1) % columns) {
    const value = weight[index]!;
    if (value < minima[column]!) minima[column] = value;
    if (value > maxima[column]!) maxima[column] = value;
  }
  const scales = Float32Array.from(maxima, (maximum, column) => (maximum - minima[column]!) / largest || 1);
  const zeroPoints = Uint8Array.from(minima, (minimum, column) => Math.round(-minimum / scales[column]!));
  const values = new Uint8Array(rows * columns);
  for (let index = 0, column = 0; index < values.length; index++, column = (column + 1) % columns) {
    const integer = Math.round(weight[index]! / scales[column]!) + zeroPoints[column]!;
    values[index] = Math.min(largest, Math.max(0, integer));
  }
  return { values, scales, zeroPoints };
}

/**
 * The model with the constant matrix of every product in 8 bits, and the product itself, too,
 * unless its activations come from the MLP's GELU (or what a network has in its place): those have
 * outliers that leave too little of 8 bits for the rest (quantised, they make the KL of a ViT-Ti to
 * itself more than ten times larger), so there the weight is turned back to float32 before the
 * product.
 */
export function quantizeDynamically(model: OnnxModel): OnnxModel {
  const weights = new Map(model.initializers.map((tensor) => [tensor.name, tensor]));
  const quantized = new Map<string, readonly OnnxTensor[]>();
  const activations = new Set<string>();
  const gates = new Set<string>();
  const withOutliers = new Set<string>();
  const nodes: OnnxNode[] = [];
  for (const node of model.nodes) {
    const product = constantProduct(node, weights);
    if (product === undefined) {
      nodes.push(node);
      const outcome = outcomeOf(node, gates, withOutliers);
      if (outcome !== undefined) for (const output of node.outputs) outcome.add(output);
      continue;
    }
    const { input, weight } = product;
    if (!quantized.has(weight.name)) quantized.set(weight.name, quantizedInitializers(product));
    if (withOutliers.has(input)) {
      nodes.push(...productWithStoredIntegers(product));
      continue;
    }
    if (!activations.has(input)) {
      activations.add(input);
      nodes.push(plainNode('DynamicQuantizeLinear', input, [input], activationNames(input)));
    }
    nodes.push(...integerProduct(product));
  }
  const used = new Set([...nodes.flatMap((node) => node.inputs), ...model.outputs.map(({ name }) => name)]);
  const kept = model.initializers.filter(({ name }) => used.has(name));
  return { ...model, nodes, initializers: [...kept, ...[...quantized.values()].flat()] };
}

/**
 * Which set a node's results belong to: `nn/activation.ts` writes activations as GELU, ReLU, or a
 * product with a gate, which is a sigmoid or `1 + tanh`.
 */
function outcomeOf(
  { operator, inputs }: OnnxNode,
  gates: Set<string>,
  withOutliers: Set<string>,
): Set<string> | undefined {
  const isGated = inputs.some((name) => gates.has(name));
  if (operator === 'Sigmoid' || operator === 'Tanh' || (operator === 'Add' && isGated)) return gates;
  if (operator === 'Gelu' || operator === 'Relu' || (operator === 'Mul' && isGated)) return withOutliers;
  return operator === 'Reshape' && withOutliers.has(inputs[0] ?? '') ? withOutliers : undefined;
}

/**
 * A node that multiplies activations by a constant matrix: `MatMul`, or `Gemm` with the weight as
 * checkpoints store it.
 */
interface ConstantProduct {
  readonly node: OnnxNode;
  readonly input: string;
  readonly weight: OnnxTensor;
  /** Whether the weight is `[N, K]` instead of `[K, N]`. */
  readonly isTransposed: boolean;
  /** Name of the bias `[N]`, or the empty string. */
  readonly bias: string;
}

function constantProduct(node: OnnxNode, weights: ReadonlyMap<string, OnnxTensor>): ConstantProduct | undefined {
  const { operator, attributes } = node;
  const [input = '', weightName = '', bias = ''] = node.inputs;
  const weight = weights.get(weightName);
  if (weight === undefined || weight.type !== 'float32' || weight.shape.length !== 2) return undefined;
  const { transB, ...others } = attributes;
  const isGemm = operator === 'Gemm' && Object.keys(others).length === 0;
  if (operator !== 'MatMul' && !isGemm) return undefined;
  const isTransposed = isGemm && transB !== undefined && 'int' in transB && transB.int === 1;
  return { node, input, weight, isTransposed, bias };
}

const activationNames = (name: string): [string, string, string] => [
  `${name}:quantized`,
  `${name}:scale`,
  `${name}:zero_point`,
];

const weightNames = (name: string): [string, string, string] => [
  `${name}_quantized`,
  `${name}_scale`,
  `${name}_zero_point`,
];

function plainNode(operator: string, base: string, inputs: readonly string[], outputs: readonly string[]): OnnxNode {
  return { operator, domain: '', name: `${base}/${operator}`, inputs, outputs, attributes: {} };
}

/**
 * `MatMulInteger`, cast, times both scales, plus the bias: the pattern that ONNX Runtime fuses into
 * one kernel.
 */
function integerProduct({ node, input, weight, bias }: ConstantProduct): OnnxNode[] {
  const [values, scale, zeroPoint] = activationNames(input);
  const [weightValues, weightScale, weightZeroPoint] = weightNames(weight.name);
  const { name } = node;
  const [sum, float, scales, product] = [`${name}:sum`, `${name}:float`, `${name}:scales`, `${name}:product`];
  const results = bias === '' ? node.outputs : [product];
  return [
    plainNode('MatMulInteger', name, [values, weightValues, zeroPoint, weightZeroPoint], [sum]),
    { ...plainNode('Cast', name, [sum], [float]), attributes: { to: { int: elementTypeNumbers.float32 } } },
    plainNode('Mul', `${name}/scales`, [scale, weightScale], [scales]),
    plainNode('Mul', name, [float, scales], results),
    ...(bias === '' ? [] : [plainNode('Add', name, [product, bias], node.outputs)]),
  ];
}

/**
 * `DequantizeLinear` of the weight, then the product in float32: small in the file, exact in the
 * activations.
 */
function productWithStoredIntegers({ node, input, weight, bias }: ConstantProduct): OnnxNode[] {
  const float = `${node.name}:weight`;
  const restored = plainNode('DequantizeLinear', node.name, weightNames(weight.name), [float]);
  const inputs = bias === '' ? [input, float] : [input, float, bias];
  return [
    { ...restored, attributes: { axis: { int: 1 } } },
    { ...node, inputs, attributes: {} },
  ];
}

/** The weight as `[K, N]`, whichever way it was stored, with scales and zero points. */
function quantizedInitializers({ weight, isTransposed }: ConstantProduct): OnnxTensor[] {
  const [first = 0, second = 0] = weight.shape;
  const [rows, columns] = isTransposed ? [second, first] : [first, second];
  const aligned = weight.bytes.byteOffset % 4 === 0 ? weight.bytes : weight.bytes.slice();
  const stored = new Float32Array(aligned.buffer, aligned.byteOffset, rows * columns);
  const floats = isTransposed ? transposed(stored, columns, rows) : stored;
  const { values, scales, zeroPoints } = quantizeColumns(floats, rows, columns);
  const [valuesName, scalesName, zeroPointsName] = weightNames(weight.name);
  return [
    { name: valuesName, type: 'uint8', shape: [rows, columns], bytes: values },
    { name: scalesName, type: 'float32', shape: [columns], bytes: new Uint8Array(scales.buffer) },
    { name: zeroPointsName, type: 'uint8', shape: [columns], bytes: zeroPoints },
  ];
}

/** `[rows, columns]` → `[columns, rows]`. */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = values[row * columns + column]!;
  }
  return result;
}
