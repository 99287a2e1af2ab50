/** A network, plain or with a token reducer, built, lowered and loaded: what evaluation, benchmarks and export checks run. */
import { lower } from '../graph/lower.ts';
import { reduceSum, reshape } from '../graph/operators/index.ts';
import { dimensionAt, input, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import { visionTransformer } from '../models/vision-transformer.ts';
import type { Parameters } from '../nn/parameters.ts';
import type { OnnxModel } from '../onnx/model.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import type { TokenState } from '../reduction/token-state.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import { floats } from '../runtime/runtime.ts';
import type { Runtime, Session, SessionOptions } from '../runtime/runtime.ts';

/** A network with its weights; every loaded model is one. */
export interface Network {
  readonly name: string;
  readonly configuration: VisionTransformerConfiguration;
  readonly parameters: Parameters;
}

/** How to build and run it. */
export interface NetworkSessionOptions extends SessionOptions {
  /** Method that reduces tokens; without one the network is the plain one. */
  readonly reducer?: TokenReducer;
  /** Default: ONNX Runtime of this Node process. */
  readonly runtime?: Runtime;
}

/**
 * The ONNX model of a network: input `pixel_values [batch, 3, S, S]`, output `logits [batch, classes]` (pooled features
 * `[batch, C]` of an encoder without a head). With a reducer the last block computes only what the head reads; the plain
 * network computes every token, as other people's do.
 */
export function networkModel(network: Network, reducer?: TokenReducer): OnnxModel {
  const { configuration, parameters } = network;
  const { inputSize } = configuration;
  const pixels = input('pixel_values', 'float32', ['batch', 3, inputSize, inputSize]);
  const options = reducer === undefined ? {} : { reducer, classTokenOnlyLastBlock: true };
  const { logits } = visionTransformer(pixels, configuration, parameters, options);
  return lower({ logits }, [pixels]);
}

/** A network whose token numbers differ per image: it gives them out, too, every token of the last block being there to be counted. */
function countedModel({ configuration, parameters }: Network, reducer: TokenReducer): CountedModel {
  const { inputSize } = configuration;
  const pixels = input('pixel_values', 'float32', ['batch', 3, inputSize, inputSize]);
  const { logits, states } = visionTransformer(pixels, configuration, parameters, { reducer });
  const counts = states.flatMap((state, block): [string, Tensor][] => {
    const count = tokensThere(state);
    return count === undefined ? [] : [[`tokens.${block}`, count]];
  });
  return {
    model: lower({ logits, ...Object.fromEntries(counts) }, [pixels]),
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
  /** `[B, classes]` */
  readonly logits: Float32Array;
  /** Tokens after each block, a list per image; only of a ragged reducer. */
  readonly tokensPerBlock?: readonly (readonly number[])[];
}

/** A loaded network. */
export class NetworkSession {
  readonly #session: Session;
  readonly #inputSize: number;
  readonly #tokens: readonly (number | undefined)[] | undefined;

  private constructor(session: Session, inputSize: number, tokens?: readonly (number | undefined)[]) {
    this.#session = session;
    this.#inputSize = inputSize;
    this.#tokens = tokens;
  }

  /**
   * Builds and loads a network.
   * @throws DiffrateError if the device cannot run it
   */
  static async load(network: Network, options: NetworkSessionOptions = {}): Promise<NetworkSession> {
    const { reducer, runtime = nodeRuntime } = options;
    const { inputSize } = network.configuration;
    if (reducer?.ragged === true) {
      const { model, tokens } = countedModel(network, reducer);
      // Threads would each see a part of the batch only.
      const { batch, ...together } = options;
      const sharing = reducer.dependsOnBatch === true || batch === undefined ? together : { ...together, batch };
      return new NetworkSession(await runtime.load(model, sharing), inputSize, tokens);
    }
    return new NetworkSession(await runtime.load(networkModel(network, reducer), options), inputSize);
  }

  /**
   * Runs it.
   * @param pixels normalised, `[B, 3, S, S]`
   * @returns `[B, classes]`
   */
  async run(pixels: Float32Array): Promise<Float32Array> {
    return (await this.runCounted(pixels)).logits;
  }

  /** Runs it, and tells how many tokens each image has after each block where that differs. */
  async runCounted(pixels: Float32Array): Promise<NetworkRun> {
    const size = this.#inputSize;
    const images = pixels.length / (3 * size * size);
    const outputs = await this.#session.run({ pixel_values: floats(pixels, [images, 3, size, size]) });
    const logits = outputs['logits']?.data as Float32Array;
    if (this.#tokens === undefined) return { logits };
    const counts = this.#tokens.map((fixed, block) => fixed ?? (outputs[`tokens.${block}`]?.data as Float32Array));
    const tokensPerBlock = Array.from({ length: images }, (_, image) =>
      counts.map((count) => (typeof count === 'number' ? count : (count[image] ?? 0))),
    );
    return { logits, tokensPerBlock };
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
