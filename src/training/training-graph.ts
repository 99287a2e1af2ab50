/**
 * The graph of one training step: the network with its parameters as inputs, the loss against soft targets, and the gradient of every
 * parameter. With a schedule tokens are really dropped (Table 6 of arXiv 2305.17997): features carry gradients through gather and
 * merge, the choice of tokens, similarities and sizes carry none. A learned method brings its own masked form and its own terms of the loss.
 */
import { gradients } from '../graph/gradients/index.ts';
import { lower } from '../graph/lower.ts';
import { add, mul } from '../graph/operators/index.ts';
import { input, inScope } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { tokenCount } from '../models/configuration.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import { visionTransformer } from '../models/vision-transformer.ts';
import type { ForwardOutputs } from '../models/vision-transformer.ts';
import { crossEntropy } from '../nn/cross-entropy.ts';
import { dropPath } from '../nn/drop-path.ts';
import type { DroppedBranch } from '../nn/drop-path.ts';
import { layerNorm } from '../nn/layer-norm.ts';
import type { Parameters } from '../nn/parameters.ts';
import type { OnnxModel } from '../onnx/model.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import type { NetworkView } from '../reduction/methods/learned.ts';
import type { BuiltMethod } from '../reduction/methods/method.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import { DiffrateError } from '../errors.ts';
import { patchDropout } from './patch-dropout.ts';
import type { PatchDropout } from './patch-dropout.ts';
import { foldNormalization } from './folded-normalization.ts';
import type { ParameterLayout } from './trained-parameters.ts';

/** What a step computes. */
export interface TrainingGraphOptions {
  readonly configuration: VisionTransformerConfiguration;
  readonly layout: ParameterLayout;
  /** Kept numbers per block; without them every token is kept. */
  readonly schedule?: KeptNumbers | undefined;
  /** A method that is trained, in place of a schedule. */
  readonly method?: BuiltMethod | undefined;
  /** Parameters of the network that training started from: the method's teacher, and what it leaves untrained. */
  readonly start?: Parameters | undefined;
  /** Rate of drop path in the last block, from 0 to below 1; it grows from 0 in the first. */
  readonly dropPath: number;
  /** Share of patches that every image loses at random before the first block, from 0 to below 1; not together with a schedule. */
  readonly patchDropout?: number;
}

/** The step as a symbolic graph. */
export interface TrainingGraph {
  /** `pixel_values [batch, 3, S, S]`, `targets [batch, classes]`, masks of drop path, noise, then every parameter by its name. */
  readonly inputs: readonly Tensor[];
  /** Mean cross-entropy in nats plus the method's own terms, a scalar. */
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
  const { configuration, layout, schedule, method, start, dropPath: rate, patchDropout: patchRate = 0 } = options;
  const { inputSize, classes, depth } = configuration;
  const pixels = input('pixel_values', 'float32', ['batch', 3, inputSize, inputSize]);
  const targets = input('targets', 'float32', ['batch', classes]);
  const trainsNetwork = method?.learned?.trainsNetwork ?? true;
  const { inputs: wanted, parameters } = parameterInputs(layout, trainsNetwork ? undefined : start);
  const { branches, transform } = dropPath(depth, rate);
  const tokens = tokenCount(configuration);
  const patches = patchRate === 0 ? undefined : patchDropout(tokens, patchRate);
  const form = method?.learned?.training();
  // What is not trained gains nothing from folding.
  const read = trainsNetwork ? foldNormalization(parameters, configuration) : parameters;
  const outputs = visionTransformer(pixels, configuration, read, {
    branch: transform,
    classTokenOnlyLastBlock: true,
    ...(schedule === undefined ? {} : { reducer: diffRate(schedule, tokens) }),
    ...(patches === undefined ? {} : { reducer: patches.reducer }),
    ...(form === undefined ? {} : { reducer: form.reducer }),
  });
  const teacher = (): NetworkView | undefined =>
    start &&
    inScope('teacher', () =>
      viewOf(visionTransformer(pixels, configuration, start), { configuration, parameters: start }),
    );
  const terms = form?.terms(viewOf(outputs, { configuration, parameters }), teacher) ?? [];
  const loss = terms.reduce((sum, term) => add(sum, term), crossEntropy(outputs.logits, targets));
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

/** A network as a method's terms see it. */
function viewOf(
  { logits, state, states }: ForwardOutputs,
  { configuration, parameters }: { configuration: VisionTransformerConfiguration; parameters: Parameters },
): NetworkView {
  const { width, layerNormEpsilon } = configuration;
  return {
    logits,
    states,
    normalizedTokens: () => layerNorm(state.features, parameters, 'norm', width, layerNormEpsilon),
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
