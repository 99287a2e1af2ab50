/** Lowers the graph of some outputs to an ONNX model: names, order, each constant once. */
import { DiffrateError } from '../errors.ts';
import type { OnnxModel, OnnxNode, OnnxTensor, OnnxValue } from '../onnx/model.ts';
import { formatShape } from './tensor.ts';
import type { Tensor } from './tensor.ts';

/** Operator sets that the operators of `operators/` are written for: Gelu needs 20. */
const operatorSets = { '': 20 } as const;
const irVersion = 9;

/**
 * Constants up to this many bytes are compared by value, so that a shape used forty times is stored
 * once.
 */
const sharedConstantBytes = 64;

/**
 * The ONNX model that computes `outputs`.
 * @param outputs by the names they get in the model.
 * @param inputs order of the model's inputs; any tensor that the graph reads must be among them.
 * @throws {DiffrateError} where an input is missing, or a name is given to two inputs or to an
 *   input and an output.
 */
export function lower(
  outputs: Readonly<Record<string, Tensor>>,
  inputs: readonly Tensor[],
  metadata: Readonly<Record<string, string>> = {},
): OnnxModel {
  const names = new Map<Tensor, string>();
  const used = new Set<string>();
  const copies = new Map<string, number>();
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  const shared = new Map<string, string>();
  const memory = bufferNumbers();
  const unique = (wanted: string): string => {
    let name = wanted;
    for (let copy = copies.get(wanted) ?? 1; used.has(name); copy++) {
      name = `${wanted}.${copy}`;
      copies.set(wanted, copy + 1);
    }
    used.add(name);
    return name;
  };
  const values = inputs.map((tensor): OnnxValue => {
    if (tensor.source.kind !== 'input')
      throw new DiffrateError('Only tensors made by input() can be inputs of a model.');
    const { name } = tensor.source;
    if (used.has(name))
      throw new DiffrateError(`Two inputs of the model are named "${name}"; give each a name of its own.`);
    names.set(tensor, unique(name));
    return { name: tensor.source.name, type: tensor.type, shape: tensor.shape };
  });
  // Outputs keep the names they were asked for; where the producing node serves, it is named so
  // directly.
  for (const [name, tensor] of Object.entries(outputs)) {
    const resolved = resolve(tensor);
    if (used.has(name))
      throw new DiffrateError(`An input and an output of the model are both named "${name}"; rename one.`);
    used.add(name);
    if (resolved.source.kind === 'node' && !names.has(resolved)) names.set(resolved, name);
  }
  const emitted = new Set<object>();
  const order = inOrder(Object.values(outputs));
  const read = new Set(order);
  const emitConstant = (tensor: Tensor, bytes: Uint8Array, wanted: string | undefined): void => {
    const identity =
      bytes.length <= sharedConstantBytes
        ? bytes.join(',')
        : `${memory(bytes.buffer)}@${bytes.byteOffset}+${bytes.length}`;
    const key = `${tensor.type}${formatShape(tensor.shape)}${identity}`;
    const name = shared.get(key) ?? unique(wanted ?? 'constant');
    names.set(tensor, name);
    if (shared.has(key)) return;
    shared.set(key, name);
    initializers.push({ name, type: tensor.type, shape: tensor.shape.map(Number), bytes });
  };
  for (const tensor of order) {
    const { source } = tensor;
    if (source.kind === 'constant') {
      emitConstant(tensor, source.bytes, source.name);
    } else if (source.kind === 'input' && !names.has(tensor)) {
      throw new DiffrateError(`The graph reads the input "${source.name}", which is not among the model's inputs.`);
    } else if (source.kind === 'node' && !emitted.has(source.node)) {
      const { node } = source;
      emitted.add(node);
      const base = `${node.scope === '' ? '' : `${node.scope}/`}${node.operator}`;
      const name = unique(base);
      node.outputs.forEach((output, index) => {
        if (!names.has(output) && (read.has(output) || !isOptional(node.operator, index)))
          names.set(output, unique(index === 0 ? `${name}:out` : `${name}:out${index}`));
      });
      nodes.push({
        operator: node.operator,
        domain: node.domain,
        name,
        inputs: node.inputs.map((value) => (value === undefined ? '' : (names.get(resolve(value)) as string))),
        outputs: withoutTrailingBlanks(node.outputs.map((output) => names.get(output) ?? '')),
        attributes: node.attributes,
      });
    }
  }
  const results = Object.entries(outputs).map(([name, tensor]): OnnxValue => {
    const produced = names.get(resolve(tensor)) as string;
    if (produced !== name) {
      nodes.push({
        operator: 'Identity',
        domain: '',
        name: unique(`${name}/Identity`),
        inputs: [produced],
        outputs: [name],
        attributes: {},
      });
    }
    return { name, type: tensor.type, shape: tensor.shape };
  });
  const domains = new Set(nodes.map((node) => node.domain).filter((domain) => domain !== ''));
  const sets = { ...operatorSets, ...Object.fromEntries([...domains].map((domain) => [domain, 1])) };
  return {
    irVersion,
    producer: 'diffrate',
    operatorSets: sets,
    graphName: 'diffrate',
    nodes,
    initializers,
    inputs: values,
    outputs: results,
    metadata,
  };
}

/** Numbers buffers, so that two constants over the same memory can be recognised. */
function bufferNumbers(): (buffer: ArrayBufferLike) => number {
  const numbers = new Map<ArrayBufferLike, number>();
  return (buffer) => {
    const number = numbers.get(buffer) ?? numbers.size;
    numbers.set(buffer, number);
    return number;
  };
}

/** Statistics of a layer norm are the only outputs that ONNX lets a model leave out. */
const isOptional = (operator: string, output: number): boolean => operator === 'LayerNormalization' && output > 0;

/**
 * Optional outputs that nothing reads stay unnamed; those at the end are left out, as engines
 * expect.
 */
function withoutTrailingBlanks(names: readonly string[]): readonly string[] {
  return names.slice(0, names.findLastIndex((name) => name !== '') + 1);
}

/** The tensor behind custom gradients, which are no nodes of their own. */
export function resolve(tensor: Tensor): Tensor {
  let resolved = tensor;
  while (resolved.source.kind === 'custom') resolved = resolved.source.value;
  return resolved;
}

/**
 * Every tensor that the outputs depend on, each after all it depends on (depth first, without
 * recursion).
 */
function inOrder(outputs: readonly Tensor[]): Tensor[] {
  const order: Tensor[] = [];
  const state = new Map<Tensor, 'open' | 'done'>();
  const stack = outputs.map(resolve).reverse();
  while (stack.length > 0) {
    const tensor = stack.at(-1) as Tensor;
    const before = state.get(tensor);
    if (before === 'done') {
      stack.pop();
      continue;
    }
    if (before === 'open' || tensor.source.kind !== 'node') {
      state.set(tensor, 'done');
      order.push(tensor);
      stack.pop();
      continue;
    }
    state.set(tensor, 'open');
    for (const value of [...tensor.source.node.inputs].reverse()) {
      if (value !== undefined && state.get(resolve(value)) !== 'done') stack.push(resolve(value));
    }
  }
  return order;
}
