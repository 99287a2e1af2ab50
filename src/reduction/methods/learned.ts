/**
 * What a method with trained parts says of itself: its parameters, and its form while training.
 * In that form tokens are masked instead of removed, so that gradients tell what each is worth.
 * The trainer (`src/training`) knows no method beyond this.
 */
import { DiffrateError } from '../../errors.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters as NetworkParameters } from '../../nn/parameters.ts';
import type { TokenReducer } from '../token-reducer.ts';
import type { TokenState } from '../token-state.ts';

/** What the names of all methods' parameters begin with: `reduction.METHOD.BLOCK.LAYER.PART`. */
export const learnedPrefix = 'reduction.';

/** A parameter of a method. */
export interface LearnedParameter {
  /** `reduction.dynamicvit.3.input.weight` */
  readonly name: string;
  readonly shape: readonly number[];
  /**
   * Start of every element; without it the parameter starts as weights, biases and norms of a layer
   * do.
   */
  readonly initial?: number;
  /** Learning rate as a multiple of the network's. */
  readonly learningRateFactor: number;
  /** Least and greatest value, to which it is brought back after each step. */
  readonly range?: readonly [number, number];
}

/** The trained part of a method for one network. */
export interface LearnedMethod {
  readonly parameters: readonly LearnedParameter[];
  /** Whether the network's own weights are trained as well; otherwise they stay as they are. */
  readonly trainsNetwork: boolean;
  /** The form for one training graph, made anew for each. */
  training(): TrainingForm;
}

/** A method while it is trained. */
export interface TrainingForm {
  readonly reducer: TokenReducer;
  /** Inputs `['batch', N, 1]` for logistic noise, which is drawn anew for every batch. */
  readonly noise: readonly Tensor[];
  /**
   * What is added to the cross-entropy: scalars, weighted. Asked once, after the network was built
   * with `reducer`.
   * @param teacher builds the uncompressed network that training started from; `undefined` where
   *   there was none.
   */
  terms(student: NetworkView, teacher: () => NetworkView | undefined): readonly Tensor[];
}

/** A network as terms of a loss see it. */
export interface NetworkView {
  /** `[B, classes]` */
  readonly logits: Tensor;
  /** Tokens after each block. */
  readonly states: readonly TokenState[];
  /** All tokens after the last block, through the network's last norm: `[B, N, C]`. */
  normalizedTokens(): Tensor;
}

/**
 * Checks that a network has the parameters that a method has learned.
 * @throws {DiffrateError} where it does not.
 */
export function requireLearned(
  method: string,
  what: string,
  own: readonly LearnedParameter[],
  parameters: NetworkParameters,
): void {
  if (own.every(({ name }) => parameters.has(name))) return;
  throw new DiffrateError(
    `${method} needs ${what} for these blocks, which the network does not have: train it for this network first, ` +
      'and use the folder that training writes.',
  );
}
