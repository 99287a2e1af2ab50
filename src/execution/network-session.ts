/**
 * Networks as ONNX models and as loaded sessions, plain or with a token reducer: what evaluation,
 * timing and export all run.
 */
import { lower } from '../graph/lower.ts';
import { reduceSum, reshape } from '../graph/operators/index.ts';
import { dimensionAt, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { forward, pixelInput } from '../networks/forward.ts';
import type { Model } from '../networks/model.ts';
import type { Network, NetworkInput } from '../networks/network.ts';
import { DiffrateError } from '../errors.ts';
import type { OnnxModel } from '../onnx/model.ts';
import type { OnnxFile } from '../onnx/onnx-file.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import type { TokenState } from '../reduction/token-state.ts';
import { floats } from '../runtime/runtime.ts';
import type { Runtime, RuntimeTensor, Session, SessionOptions } from '../runtime/runtime.ts';

/** A network and its weights. */
export type BuiltNetwork = Pick<Model, 'network' | 'parameters'>;

/** How to build and run it. */
export interface NetworkSessionOptions extends SessionOptions {
  /** Method that reduces tokens; without one the network is the plain one. */
  readonly reducer?: TokenReducer | undefined;
  /**
   * The network as a file, which runs as it is: what the reducer does is fixed in it. It must have
   * the network's input and outputs in float32, whatever it computes in.
   */
  readonly file?: OnnxFile | undefined;
  /** Where graphs run. */
  readonly runtime: Runtime;
}

/**
 * The ONNX model of a network: input `pixel_values [batch, channels, height, width]`, outputs as
 * the network names them (`logits [batch, classes]` of a classifier). With a reducer the last block
 * computes only what is read of it; the plain network computes every token, as other people's do.
 */
export function networkModel({ network, parameters }: BuiltNetwork, reducer?: TokenReducer): OnnxModel {
  const pixels = pixelInput(network);
  const { outputs } = forward(network, pixels, { parameters, reducer, prefixOnlyLastBlock: reducer !== undefined });
  return lower(outputs, [pixels]);
}

/**
 * A network whose token numbers differ per image: it gives them out, too, every token of the last
 * block being there to be counted.
 */
function countedModel({ network, parameters }: BuiltNetwork, reducer: TokenReducer): CountedModel {
  const pixels = pixelInput(network);
  const { outputs, states } = forward(network, pixels, { parameters, reducer });
  const counts = states.flatMap((state, block): [string, Tensor][] => {
    const count = tokensThere(state);
    return count === undefined ? [] : [[`tokens.${block}`, count]];
  });
  return {
    model: lower({ ...outputs, ...Object.fromEntries(counts) }, [pixels]),
    tokens: states.map(({ features, mask }) => (mask === undefined ? sizeAt(features, 1) : undefined)),
  };
}

interface CountedModel {
  readonly model: OnnxModel;
  /** Tokens after each block; `undefined` where the output `tokens.BLOCK` tells. */
  readonly tokens: readonly (number | undefined)[];
}

/** Tokens per image that the mask of a state lets be, `[B]`. */
function tokensThere({ mask }: TokenState): Tensor | undefined {
  return mask === undefined ? undefined : reshape(reduceSum(mask, [1]), [dimensionAt(mask, 0)]);
}

/** What one run gives. */
export interface NetworkRun {
  /** What objectives compare, `[B, D]`: the logits of a classifier, the features of an encoder. */
  readonly answers: Float32Array;
  /** Tokens after each block, a list per image; only of a ragged reducer. */
  readonly tokensPerBlock?: readonly (readonly number[])[];
}

/** Numbers of one image's pixels. */
export function pixelCount({ channels, height, width }: NetworkInput): number {
  return channels * height * width;
}

/** Only a file can be so: graphs that are built here have such outputs. */
function notFloats(name: string, outputs: Readonly<Record<string, RuntimeTensor>>): string {
  const given = Object.entries(outputs).map(([other, { type }]) => `${other} (${type})`);
  return `The model gives ${given.join(', ') || 'nothing'} where "${name}" (float32) is read: use a file of this network.`;
}

/** A loaded network. */
export class NetworkSession {
  readonly #session: Session;
  readonly #network: Network;
  readonly #tokens: readonly (number | undefined)[] | undefined;

  private constructor(session: Session, network: Network, tokens?: readonly (number | undefined)[]) {
    this.#session = session;
    this.#network = network;
    this.#tokens = tokens;
  }

  /**
   * Builds and loads a network, or loads the file that it is in.
   * @throws DiffrateError if the device cannot run it
   */
  static async load(model: BuiltNetwork, options: NetworkSessionOptions): Promise<NetworkSession> {
    const { reducer, file, runtime, ...session } = options;
    if (file !== undefined) return new NetworkSession(await runtime.load(file, session), model.network);
    if (reducer?.ragged === true) {
      const { model: counted, tokens } = countedModel(model, reducer);
      // Threads would each see a part of the batch only.
      const { batch, ...together } = session;
      const sharing = reducer.dependsOnBatch === true || batch === undefined ? together : { ...together, batch };
      return new NetworkSession(await runtime.load(counted, sharing), model.network, tokens);
    }
    return new NetworkSession(await runtime.load(networkModel(model, reducer), session), model.network);
  }

  /**
   * Runs it.
   * @param pixels normalised, `[B, channels, height, width]`
   * @returns `[B, D]`, what objectives compare.
   */
  async run(pixels: Float32Array): Promise<Float32Array> {
    return (await this.runCounted(pixels)).answers;
  }

  /** Runs it, and tells how many tokens each image has after each block where that differs. */
  async runCounted(pixels: Float32Array): Promise<NetworkRun> {
    const { input, answerOutput } = this.#network;
    const images = pixels.length / pixelCount(input);
    const shape = [images, input.channels, input.height, input.width];
    const outputs = await this.#session.run({ pixel_values: floats(pixels, shape) });
    const answers = outputs[answerOutput]?.data;
    if (!(answers instanceof Float32Array)) throw new DiffrateError(notFloats(answerOutput, outputs));
    if (this.#tokens === undefined) return { answers };
    const counts = this.#tokens.map((fixed, block) => fixed ?? (outputs[`tokens.${block}`]?.data as Float32Array));
    const tokensPerBlock = Array.from({ length: images }, (_, image) =>
      counts.map((count) => (typeof count === 'number' ? count : (count[image] ?? 0))),
    );
    return { answers, tokensPerBlock };
  }

  /** Ends profiling, where `profilePrefix` was given. */
  endProfiling(): void {
    this.#session.endProfiling();
  }

  /** Frees the network. */
  async dispose(): Promise<void> {
    await this.#session.dispose();
  }
}
