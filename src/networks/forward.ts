/**
 * A whole network on pixels: embedding, blocks with a token reducer asked in those of the span,
 * tokens restored where the network needs them, readout.
 */
import { add, div, matMul, mul, reduceSum, reshape, slice, transpose } from '../graph/operators/index.ts';
import { constant, dimensionAt, elementCount, inScope, input, sizeAt, stopGradient } from '../graph/tensor.ts';
import type { Dimension, Tensor } from '../graph/tensor.ts';
import type { BranchTransform } from '../nn/drop-path.ts';
import type { Parameters } from '../nn/parameters.ts';
import { keepAllTokens } from '../reduction/token-reducer.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import { sourceOf, sourceTraveller, withTraveller } from '../reduction/token-state.ts';
import type { TokenState } from '../reduction/token-state.ts';
import type { BlockContext, Network, NetworkOutputs } from './network.ts';

/** How a network is built. */
export interface ForwardOptions {
  readonly parameters: Parameters;
  /** Method that reduces tokens; none by default. */
  readonly reducer?: TokenReducer | undefined;
  /**
   * Follow which input tokens went where and keep every token to the end (for pictures and checks).
   */
  readonly trace?: boolean | undefined;
  /**
   * Compute only prefix tokens in the last block of a network that reads nothing else. Exact, but
   * not what a plain network does; compressed and searched networks use it. Off when tracing.
   */
  readonly prefixOnlyLastBlock?: boolean | undefined;
  /** Changes the output of a residual branch before it is added: drop path, while training. */
  readonly branch?: BranchTransform | undefined;
}

/** What a network gives. */
export interface ForwardOutputs {
  /** By the names that files get. */
  readonly outputs: NetworkOutputs;
  /** What objectives compare, `[B, D]`. */
  readonly answer: Tensor;
  /** Tokens after each block of the span, in order. */
  readonly states: readonly TokenState[];
}

/** Pixels as an input of a graph, `[batch, channels, height, width]`, named `pixel_values`. */
export function pixelInput(
  { input: { channels, height, width } }: Pick<Network, 'input'>,
  batch: Dimension = 'batch',
): Tensor {
  return input('pixel_values', 'float32', [batch, channels, height, width]);
}

/** The network on `pixels [B, channels, height, width]`. */
export function forward(network: Network, pixels: Tensor, options: ForwardOptions): ForwardOutputs {
  const { parameters, trace = false, prefixOnlyLastBlock = false, branch } = options;
  const asked = options.reducer ?? keepAllTokens;
  const reducer = asked.withParameters?.(parameters) ?? asked;
  const { span } = network;
  let state = forwardTo(network, pixels, parameters, branch);
  if (trace || network.restore !== undefined) state = traced(state);
  const states: TokenState[] = [];
  for (let index = span.first; index < span.end; index++) {
    const prefixOnly = prefixOnlyLastBlock && !trace && canReadPrefixOnly(network, reducer, index);
    const context = { ...plainContext(parameters, branch), reducer, reducedBlock: index - span.first, prefixOnly };
    state = inScope(`blocks.${index}`, () => network.block(index, state, context));
    states.push(state);
  }
  return { ...forwardFrom(network, state, parameters, branch), states };
}

/** Tokens before the first block of the span. */
export function forwardTo(
  network: Network,
  pixels: Tensor,
  parameters: Parameters,
  branch?: BranchTransform,
): TokenState {
  const state = { features: inScope('embedding', () => network.embed(pixels, parameters)) };
  return plainBlocks(network, state, [0, network.span.first], plainContext(parameters, branch));
}

/**
 * What follows the last block of the span: tokens restored where the network needs them, its other
 * blocks, its readout.
 */
export function forwardFrom(
  network: Network,
  state: TokenState,
  parameters: Parameters,
  branch?: BranchTransform,
): Pick<ForwardOutputs, 'outputs' | 'answer'> {
  const { span, blocks, restore } = network;
  const whole = restore === undefined ? state : restored(restore, state);
  const last = plainBlocks(network, whole, [span.end, blocks], plainContext(parameters, branch));
  const outputs = network.readout(last, parameters);
  return { outputs, answer: answerOf(network, outputs) };
}

/** Blocks in which no token goes. */
function plainBlocks(
  network: Network,
  state: TokenState,
  [first, end]: readonly [number, number],
  context: BlockContext,
): TokenState {
  let after = state;
  for (let index = first; index < end; index++) {
    after = inScope(`blocks.${index}`, () => network.block(index, after, context));
  }
  return after;
}

function plainContext(parameters: Parameters, branch: BranchTransform = (output) => output): BlockContext {
  return { parameters, reducer: keepAllTokens, reducedBlock: 0, prefixOnly: false, branch };
}

/**
 * Whether only prefix tokens are read of a block. That can be the network's last block, where the
 * span ends with it.
 */
export function canReadPrefixOnly(
  { reads, blocks, span }: Pick<Network, 'reads' | 'blocks' | 'span'>,
  reducer: TokenReducer,
  index: number,
): boolean {
  return reads === 'prefix' && index === blocks - 1 && span.end === blocks && !(reducer.needsEveryQuery ?? false);
}

/** The output that objectives compare, `[B, D]`. */
export function answerOf(network: Pick<Network, 'answerOutput' | 'answers'>, outputs: NetworkOutputs): Tensor {
  const answer = outputs[network.answerOutput] as Tensor;
  return answer.shape.length === 2 ? answer : reshape(answer, [dimensionAt(answer, 0), network.answers.size]);
}

/** The state with a source map: at the input every token is its own source. */
function traced(state: TokenState): TokenState {
  return withTraveller(state, sourceTraveller, identitySource(state.features), 'sum');
}

/** `[B, N, N]` */
function identitySource(features: Tensor): Tensor {
  const tokens = sizeAt(features, 1);
  const identity = new Float32Array(elementCount([tokens, tokens]));
  for (let token = 0; token < tokens; token++) identity[token * tokens + token] = 1;
  const matrix = constant(identity, [1, tokens, tokens], 'float32');
  const batch: Dimension = dimensionAt(features, 0);
  return add(matrix, mul(reshape(slice(slice(features, 1, 0, 1), 2, 0, 1), [batch, 1, 1]), 0));
}

/** What follows the span sees plain tokens again. */
function restored(restore: NonNullable<Network['restore']>, state: TokenState): TokenState {
  const { features } = inScope('restore', () => restore(state));
  return { features };
}

/**
 * Puts every token back where it was: each becomes a copy of the token that it went into, by the
 * source map (DiffRate's *uncompress*, Fig. 8). A token that went into several, which were equally
 * similar to the last bit, becomes their mean. Pruned tokens would come back as zeros.
 */
export function copiesBySource(state: TokenState): TokenState {
  const { features, mask } = state;
  const source = sourceOf(state);
  if (source === undefined) return state;
  const there = mask === undefined ? source : mul(source, mask);
  const owners = transpose(there, [0, 2, 1]);
  const count = stopGradient(reduceSum(owners, [2], true));
  return { features: div(matMul(owners, features), count) };
}
