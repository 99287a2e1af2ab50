/** A network, plain or with a token reducer, built, lowered and loaded: what evaluation, benchmarks and export checks run. */
import { lower } from '../graph/lower.ts';
import { input } from '../graph/tensor.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import { visionTransformer } from '../models/vision-transformer.ts';
import type { Parameters } from '../nn/parameters.ts';
import type { OnnxModel } from '../onnx/model.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
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

/** A loaded network. */
export class NetworkSession {
  readonly #session: Session;
  readonly #inputSize: number;

  private constructor(session: Session, inputSize: number) {
    this.#session = session;
    this.#inputSize = inputSize;
  }

  /**
   * Builds and loads a network.
   * @throws DiffrateError if the device cannot run it
   */
  static async load(network: Network, options: NetworkSessionOptions = {}): Promise<NetworkSession> {
    const { reducer, runtime = nodeRuntime } = options;
    const session = await runtime.load(networkModel(network, reducer), options);
    return new NetworkSession(session, network.configuration.inputSize);
  }

  /**
   * Runs it.
   * @param pixels normalised, `[B, 3, S, S]`
   * @returns `[B, classes]`
   */
  async run(pixels: Float32Array): Promise<Float32Array> {
    const size = this.#inputSize;
    const { logits } = await this.#session.run({
      pixel_values: floats(pixels, [pixels.length / (3 * size * size), 3, size, size]),
    });
    return logits?.data as Float32Array;
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
