/**
 * Reverse-mode differentiation of a graph: `gradients(loss, wrt)` walks from the loss back to the
 * wanted tensors, once, and emits the backward pass as ordinary graph nodes, so that one lowering
 * runs forward and backward together.
 */
import { DiffrateError } from '../../errors.ts';
import { add } from '../operators/index.ts';
import { formatShape, inScope, scalar } from '../tensor.ts';
import type { GraphNode, Tensor } from '../tensor.ts';
import { sameShape } from '../shapes.ts';
import { gradientRules } from './rules.ts';

/** A tensor's producer in the walk: a node, or a region with a rule of its own. */
type Producer = GraphNode | Tensor;

/**
 * Gradients of a scalar `loss` with respect to tensors of its graph, in their order; `undefined`
 * where the loss does not depend on one. Only nodes between `wrt` and the loss get a backward pass.
 * @param wrt inputs, or results of operators that compute something: an operator that only moves
 *   values (`reshape`, `concat` and their like) is skipped where another such operator follows, and
 *   then has no gradient of its own.
 * @throws {DiffrateError} if the loss is no scalar, or a gradient must pass an operator without a
 *   rule (named with its scope).
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[]): readonly (Tensor | undefined)[] {
  if (loss.shape.some((size) => size !== 1)) {
    throw new DiffrateError(
      `gradients() needs a scalar loss, not ${formatShape(loss.shape)}; sum or average it first.`,
    );
  }
  const order = producersOnPath(loss, new Set(wrt));
  const collected = new Map<Tensor, Tensor>([[loss, loss.shape.length === 0 ? scalar(1) : onesOf(loss)]]);
  const needed = new Set<Tensor>(wrt);
  for (const producer of order) for (const output of outputsOf(producer)) needed.add(output);
  for (const producer of order.reverse()) {
    const incoming = outputsOf(producer).map((output) => collected.get(output));
    if (incoming.every((gradient) => gradient === undefined)) continue;
    const inputs = inputsOf(producer);
    const parts = inScope(`gradient/${scopeOf(producer)}`, () =>
      applyRule(
        producer,
        incoming,
        inputs.map((value) => value !== undefined && needed.has(value)),
      ),
    );
    inputs.forEach((value, index) => {
      const part = parts[index];
      if (value === undefined || part === undefined || !needed.has(value)) return;
      if (!sameShape(part.shape, value.shape)) {
        throw new DiffrateError(
          `The gradient of input ${index} of ${nameOf(producer)} is ${formatShape(part.shape)}, not ${formatShape(value.shape)}.`,
        );
      }
      const sum = collected.get(value);
      collected.set(value, sum === undefined ? part : inScope('gradient', () => add(sum, part)));
    });
  }
  return wrt.map((tensor) => collected.get(tensor));
}

function applyRule(
  producer: Producer,
  incoming: readonly (Tensor | undefined)[],
  needs: readonly boolean[],
): readonly (Tensor | undefined)[] {
  if ('source' in producer) {
    return producer.source.kind === 'custom' ? producer.source.rule(incoming[0] as Tensor) : [];
  }
  const rule = gradientRules[producer.operator];
  if (rule === undefined) {
    throw new DiffrateError(
      `${nameOf(producer)} has no gradient rule; add one to src/graph/gradients or stop the gradient before it.`,
    );
  }
  return rule({ node: producer, gradients: incoming, needs });
}

const nameOf = (producer: Producer): string =>
  'source' in producer ? 'a custom gradient' : `${producer.operator} in "${producer.scope}"`;

function producerOf(tensor: Tensor): Producer | undefined {
  if (tensor.source.kind === 'node') return tensor.source.node;
  return tensor.source.kind === 'custom' ? tensor : undefined;
}

function inputsOf(producer: Producer): readonly (Tensor | undefined)[] {
  if (!('source' in producer)) return producer.inputs;
  return producer.source.kind === 'custom' ? producer.source.inputs : [];
}

const outputsOf = (producer: Producer): readonly Tensor[] => ('source' in producer ? [producer] : producer.outputs);

function scopeOf(producer: Producer): string {
  if (!('source' in producer)) return producer.scope;
  const { source } = producer;
  const inner = source.kind === 'custom' ? producerOf(source.value) : undefined;
  return inner === undefined ? 'custom' : scopeOf(inner);
}

const onesOf = (loss: Tensor): Tensor => ({
  type: loss.type,
  shape: loss.shape,
  source: { kind: 'constant', name: undefined, bytes: new Uint8Array(Float32Array.of(1).buffer) },
});

/** Producers between the wanted tensors and the loss, each after those it depends on. */
function producersOnPath(loss: Tensor, wanted: ReadonlySet<Tensor>): Producer[] {
  const order: Producer[] = [];
  const reaches = new Map<Producer, boolean>();
  const reached = (value: Tensor | undefined): boolean => {
    if (value === undefined) return false;
    if (wanted.has(value)) return true;
    const producer = producerOf(value);
    return producer !== undefined && reaches.get(producer) === true;
  };
  const first = producerOf(loss);
  const stack: Producer[] = first === undefined ? [] : [first];
  const opened = new Set<Producer>();
  while (stack.length > 0) {
    const producer = stack.at(-1) as Producer;
    if (opened.has(producer)) {
      stack.pop();
      if (reaches.has(producer)) continue;
      const onPath = inputsOf(producer).some(reached);
      reaches.set(producer, onPath);
      if (onPath) order.push(producer);
      continue;
    }
    opened.add(producer);
    for (const value of inputsOf(producer)) {
      const before = value === undefined ? undefined : producerOf(value);
      if (before !== undefined && !opened.has(before)) stack.push(before);
    }
  }
  return order;
}
