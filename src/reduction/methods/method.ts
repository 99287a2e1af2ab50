/**
 * What a token-reduction method is to the rest of the program:
 * a name, parameters with their meaning, and a reducer made of them.
 */
import type { NetworkShape } from '../network-shape.ts';
import type { Schedule } from '../schedule.ts';
import type { TokenReducer } from '../token-reducer.ts';
import type { LearnedMethod } from './learned.ts';

/** The value of a parameter. */
export type ParameterValue = number | boolean | string | readonly number[];

/**
 * One parameter of a method. A `list` is one number, or one number per block with `/` between them.
 */
export interface ParameterKey {
  readonly name: string;
  readonly kind: 'number' | 'integer' | 'flag' | 'word' | 'text' | 'list';
  /** For help, in a few words. */
  readonly meaning: string;
  /** The value where it is not given, which may depend on the network. */
  readonly fallback: ParameterValue | ((network: NetworkShape) => ParameterValue);
  /** Least and greatest number. */
  readonly min?: number;
  readonly max?: number;
  /** The words of a `word`. */
  readonly words?: readonly string[];
  /** Only training reads it: a network that was trained for one value has no other. */
  readonly ofTraining?: boolean;
}

/** The parameters of one use of a method, defaults filled in. */
export interface Parameters {
  /** A number. */
  number(key: string): number;
  /** A yes or no. */
  flag(key: string): boolean;
  /** A word. */
  text(key: string): string;
  /** A list of numbers. */
  numbers(key: string): readonly number[];
}

/** The parameter that a search for a budget turns. */
export interface Knob {
  readonly key: string;
  /** Least number that a network allows. */
  readonly min: (network: NetworkShape) => number;
  /** Greatest number that a network allows. */
  readonly max: (network: NetworkShape) => number;
  /** Whether FLOPs rise with it; otherwise they fall. */
  readonly rising: boolean;
  /** Only whole numbers. */
  readonly whole?: boolean;
}

/**
 * How often a block that lets tokens go computes its attention and its MLP on the tokens that enter
 * it, and how often on those that it passes on. Half of an attention is queries, keys and scores,
 * the other half is values, what they are gathered to, and the projection.
 */
export interface BlockWork {
  readonly attention: readonly [entering: number, leaving: number];
  readonly mlp: readonly [entering: number, leaving: number];
}

/** Tokens go between attention and MLP (most methods). */
export const afterAttention: BlockWork = { attention: [1, 0], mlp: [0, 1] };

/** Tokens go before the block. */
export const beforeBlock: BlockWork = { attention: [0, 1], mlp: [0, 1] };

/** A method with its parameters, for one network. */
export interface BuiltMethod {
  readonly reducer: TokenReducer;
  /** Tokens after each block; for a ragged method the most that there can be. */
  readonly tokensPerBlock: readonly number[];
  /** Where in a block tokens go, as far as FLOPs are concerned; by default `afterAttention`. */
  readonly work?: BlockWork;
  /** Its trained part. */
  readonly learned?: LearnedMethod;
}

/** What a method may need beside the network's sizes. */
export interface MethodResources {
  /** The schedule that the parameter `schedule` names, already found and checked. */
  readonly schedule?: Schedule | undefined;
}

/** A token-reduction method. */
export interface ReductionMethod {
  readonly name: string;
  /** What it is, with its source. */
  readonly title: string;
  readonly keys: readonly ParameterKey[];
  /** It ranks tokens by a class token, or is trained with networks that read one. */
  readonly needsClassToken: boolean;
  /**
   * Every token that goes is merged into one that stays, so the method suits networks that need
   * every token again, too.
   */
  readonly mergesOnly?: boolean;
  /** How many tokens are left differs per image. */
  readonly ragged?: boolean;
  /** What is special in pictures of its tokens, in a sentence. */
  readonly pictureRemark?: string;
  /** It has to be trained for a network, and for one setting of its parameters. */
  readonly trained?: boolean;
  /** Absent where no single parameter sets the cost. */
  readonly knob?: Knob;
  /** @throws {DiffrateError} where the network cannot do what the parameters ask. */
  build(parameters: Parameters, network: NetworkShape, resources: MethodResources): BuiltMethod;
}
