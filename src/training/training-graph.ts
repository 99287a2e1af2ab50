/**
 * The graph of one training step: the network with its parameters as inputs, the loss, and the
 * gradient of every parameter. With a schedule tokens are really dropped (Table 6 of arXiv
 * 2305.17997): features carry gradients through gather and merge; the choice of tokens,
 * similarities and sizes carry none. A learned method brings its own masked form and its own terms
 * of the loss.
 */
import { gradients } from '../graph/gradients/index.ts';
import { lower } from '../graph/lower.ts';
import { add, mul } from '../graph/operators/index.ts';
import { input, inScope } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { forward, pixelInput } from '../networks/forward.ts';
import type { ForwardOutputs } from '../networks/forward.ts';
import type { Network } from '../networks/network.ts';
import { dropPath } from '../nn/drop-path.ts';
import type { DroppedBranch } from '../nn/drop-path.ts';
import type { Parameters } from '../nn/parameters.ts';
import type { Objective } from '../objectives/objective.ts';
import type { OnnxModel } from '../onnx/model.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import type { NetworkView } from '../reduction/methods/learned.ts';
import type { BuiltMethod } from '../reduction/methods/method.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import { DiffrateError } from '../errors.ts';
import { patchDropout } from './patch-dropout.ts';
import type { PatchDropout } from './patch-dropout.ts';
import { foldNormalization } from './folded-normalization.ts';
import type { ParameterLayout, TrainedParameter } from './trained-parameters.ts';

/** What a step computes. */
export interface TrainingGraphOptions {
  readonly network: Network;
  /** Compares answers with targets. */
  readonly objective: Objective;
  readonly layout: ParameterLayout;
  /** Kept numbers per block; without them every token is kept. */
  readonly schedule?: KeptNumbers | undefined;
  /** A method that is trained, in place of a schedule. */
  readonly method?: BuiltMethod | undefined;
  /**
   * Parameters of the network that training started from: the method's teacher, and what is not
   * trained.
   */
  readonly start?: Parameters | undefined;
  /** Rate of drop path in the last block, from 0 to below 1; it grows from 0 in the first. */
  readonly dropPath: number;
  /**
   * Share of patches that every image loses at random before the first block,
   * from 0 to below 1; not together with a schedule.
   */
  readonly patchDropout?: number;
}

/** The step as a symbolic graph. */
export interface TrainingGraph {
  /**
   * `pixel_values [batch, channels, height, width]`, `targets [batch, T]`, masks of drop path,
   * noise, then parameters by name.
   */
  readonly inputs: readonly Tensor[];
  /** The objective's loss plus the method's own terms, a scalar. */
  readonly loss: Tensor;
  /** Gradients of the loss, in the layout's order. */
  readonly gradients: readonly Tensor[];
  readonly branches: readonly DroppedBranch[];
  readonly patches: PatchDropout | undefined;
  /** Inputs that logistic noise is drawn for. */
  readonly noise: readonly Tensor[];
}

/** Name of the output that holds a parameter's gradient. */
export const gradientName = (parameter: string): string => `${parameter}.gradient`;

/** The symbolic step; see `TrainingGraph`. */
export function trainingGraph(options: TrainingGraphOptions): TrainingGraph {
  const { network, objective, layout, schedule, method, start } = options;
  const { dropPath: rate, patchDropout: patchRate = 0 } = options;
  const pixels = pixelInput(network);
  const targets = input('targets', 'float32', ['batch', objective.targetSize]);
  const { inputs: wanted, parameters } = parameterInputs(layout, start);
  const { branches, transform } = dropPath(network.blocks, rate);
  const patches = patchRate === 0 ? undefined : patchDropout(network.layout, patchRate);
  const form = method?.learned?.training();
  // Folding saves work on tokens where matrices get gradients anyway, and adds these elsewhere.
  const trainsMatrices = (method?.learned?.trainsNetwork ?? true) && layout.parameters.some(isMatrix);
  const outputs = forward(network, pixels, {
    parameters: trainsMatrices ? foldNormalization(parameters, network) : parameters,
    branch: transform,
    prefixOnlyLastBlock: true,
    reducer: form?.reducer ?? patches?.reducer ?? (schedule && diffRate(schedule, network)),
  });
  const teacher = (): NetworkView | undefined =>
    start && inScope('teacher', () => viewOf(forward(network, pixels, { parameters: start }), network, start));
  const terms = form?.terms(viewOf(outputs, network, parameters), teacher) ?? [];
  const loss = terms.reduce((sum, term) => add(sum, term), objective.loss(outputs.answer, targets));
  const found = gradients(loss, wanted);
  const noise = form?.noise ?? [];
  return {
    inputs: [
      pixels,
      targets,
      ...branches.map(({ mask }) => mask),
      ...(patches === undefined ? [] : [patches.indices]),
      ...noise,
      ...wanted,
    ],
    loss,
    gradients: wanted.map((parameter, index) => found[index] ?? mul(parameter, 0)),
    branches,
    patches,
    noise,
  };
}

const isMatrix = ({ shape }: TrainedParameter): boolean => shape.length === 2;

/** A network as a method's terms see it. */
function viewOf({ answer, states }: ForwardOutputs, network: Network, parameters: Parameters): NetworkView {
  return {
    logits: answer,
    states,
    normalizedTokens() {
      const last = states.at(-1);
      if (last === undefined || network.normalized === undefined)
        throw new DiffrateError('The network has no norm for all of its tokens, which this method learns from.');
      return network.normalized(last.features, parameters);
    },
  };
}

/** The step as a model: outputs `loss` and, per parameter, `NAME.gradient`. */
export function trainingModel(graph: TrainingGraph, layout: ParameterLayout): OnnxModel {
  const outputs: Record<string, Tensor> = { loss: graph.loss };
  layout.parameters.forEach(({ name }, index) => {
    outputs[gradientName(name)] = graph.gradients[index] as Tensor;
  });
  return lower(outputs, graph.inputs);
}

/**
 * The parameters of a layout as inputs of a graph, in its order.
 * @param untrained where all others come from; without it there are no others.
 */
export function parameterInputs(
  layout: ParameterLayout,
  untrained?: Parameters,
): {
  readonly inputs: readonly Tensor[];
  readonly parameters: Parameters;
} {
  const inputs = new Map(layout.parameters.map(({ name, shape }) => [name, input(name, 'float32', shape)]));
  const parameters: Parameters = {
    has: (name) => inputs.has(name) || (untrained?.has(name) ?? false),
    tensor(name, shape) {
      const tensor = inputs.get(name) ?? untrained?.tensor(name, shape);
      if (tensor === undefined) throw new DiffrateError(`The network reads "${name}", which is not trained.`);
      return tensor;
    },
  };
  return { inputs: [...inputs.values()], parameters };
}
