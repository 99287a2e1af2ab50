/** Runs a network with a token reducer and follows which patch went where, block by block. */
import { lower } from '../graph/lower.ts';
import { input } from '../graph/tensor.ts';
import type { Network } from '../loading/network-session.ts';
import { tokenCount } from '../models/configuration.ts';
import { visionTransformer } from '../models/vision-transformer.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import { floats } from '../runtime/runtime.ts';
import type { Session, SessionOptions } from '../runtime/runtime.ts';
import { tokenGroups } from './token-groups.ts';
import type { TokenGroups } from './token-groups.ts';

const sourceName = (block: number): string => `source_${block}`;
const maskName = (block: number): string => `mask_${block}`;

/** A loaded network that tells what became of an image's patches. */
export class TokenTracer {
  readonly #session: Session;
  readonly #network: Network;

  private constructor(session: Session, network: Network) {
    this.#session = session;
    this.#network = network;
  }

  /**
   * Builds and loads the network, traced: tokens really removed, every block's source map an output, and where token numbers differ
   * per image (ATS) the mask that says which of its rows are tokens.
   * @throws DiffrateError if the device cannot run it
   */
  static async load(network: Network, reducer: TokenReducer, session: SessionOptions = {}): Promise<TokenTracer> {
    const { configuration, parameters } = network;
    const { inputSize } = configuration;
    const pixels = input('pixel_values', 'float32', ['batch', 3, inputSize, inputSize]);
    const { states } = visionTransformer(pixels, configuration, parameters, { reducer, trace: true });
    const traced = states.flatMap(({ source, mask }, block) => [
      ...(source === undefined ? [] : [[sourceName(block), source] as const]),
      ...(mask === undefined ? [] : [[maskName(block), mask] as const]),
    ]);
    const model = lower(Object.fromEntries(traced), [pixels]);
    return new TokenTracer(await nodeRuntime.load(model, session), network);
  }

  /**
   * Follows one image.
   * @param pixels normalised, `[3, S, S]`
   * @returns the tokens after each block, in order
   */
  async trace(pixels: Float32Array): Promise<TokenGroups[]> {
    const { configuration } = this.#network;
    const { inputSize, depth } = configuration;
    const results = await this.#session.run({ pixel_values: floats(pixels, [1, 3, inputSize, inputSize]) });
    return Array.from({ length: depth }, (_, block) => {
      const source = results[sourceName(block)]?.data;
      const mask = results[maskName(block)]?.data;
      if (!(source instanceof Float32Array)) throw new RangeError(`block ${block} has no source map`);
      return tokenGroups(source, tokenCount(configuration), mask instanceof Float32Array ? mask : undefined);
    });
  }

  /** Frees the network. */
  async dispose(): Promise<void> {
    await this.#session.dispose();
  }
}
