/** Runs a network with a token reducer and follows which patch went where, block by block. */
import { lower } from '../graph/lower.ts';
import type { BuiltNetwork } from '../execution/network-session.ts';
import { forward, pixelInput } from '../networks/forward.ts';
import type { Network } from '../networks/network.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import { sourceOf } from '../reduction/token-state.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import { floats } from '../runtime/runtime.ts';
import type { Runtime, Session, SessionOptions } from '../runtime/runtime.ts';
import { gridTokens } from '../reduction/token-layout.ts';
import { mergeReasons, tokenGroups } from './token-groups.ts';
import type { MergeReason, TokenGroups } from './token-groups.ts';

const sourceName = (block: number): string => `source_${block}`;
const selectedNames = (block: number) => ({
  source: `before_${block}`,
  attention: `attention_${block}`,
  gone: `gone_${block}`,
});
const maskName = (block: number): string => `mask_${block}`;

/** Where the traced network runs. */
export interface TraceOptions extends SessionOptions {
  /** By default ONNX Runtime for Node. */
  readonly runtime?: Runtime | undefined;
}

/** A loaded network that tells what became of an image's patches. */
export class TokenTracer {
  readonly #session: Session;
  readonly #network: Network;
  /** Whether a rule says why tokens go. */
  readonly #selects: boolean;

  private constructor(session: Session, network: Network, selects: boolean) {
    this.#selects = selects;
    this.#session = session;
    this.#network = network;
  }

  /**
   * Builds and loads the network, traced: tokens really removed, every block's source map an
   * output, and where token numbers differ per image (ATS) the mask that says which of its rows are
   * tokens.
   * @throws DiffrateError if the device cannot run it
   */
  static async load(
    { network, parameters }: BuiltNetwork,
    reducer: TokenReducer,
    { runtime = nodeRuntime, ...session }: TraceOptions = {},
  ): Promise<TokenTracer> {
    const pixels = pixelInput(network);
    const { states } = forward(network, pixels, { parameters, reducer, trace: true });
    const traced = states.flatMap((state, block) => {
      const [source, mask] = [sourceOf(state), state.mask];
      // A block that removes nothing passes on what an earlier one has chosen.
      const selected = state.selected === states[block - 1]?.selected ? undefined : state.selected;
      const names = selectedNames(block);
      return [
        ...(selected === undefined
          ? []
          : [
              [names.source, selected.source] as const,
              [names.attention, selected.attention] as const,
              [names.gone, selected.gone] as const,
            ]),
        ...(source === undefined ? [] : [[sourceName(block), source] as const]),
        ...(mask === undefined ? [] : [[maskName(block), mask] as const]),
      ];
    });
    const model = lower(Object.fromEntries(traced), [pixels]);
    const selects = states.some(({ selected }) => selected !== undefined);
    return new TokenTracer(await runtime.load(model, session), network, selects);
  }

  /**
   * Follows one image.
   * @param pixels normalised, `[channels, height, width]`
   * @returns the tokens after each block that may remove some, in order
   */
  async trace(pixels: Float32Array): Promise<TokenGroups[]> {
    const { input, depth, layout } = this.#network;
    const shape = [1, input.channels, input.height, input.width];
    const results = await this.#session.run({ pixel_values: floats(pixels, shape) });
    let reasons: readonly (MergeReason | undefined)[] = Array.from({ length: gridTokens(layout) }, () => undefined);
    return Array.from({ length: depth }, (_, block) => {
      const source = results[sourceName(block)]?.data;
      const mask = results[maskName(block)]?.data;
      if (!(source instanceof Float32Array)) throw new RangeError(`block ${block} has no source map`);
      const groups = tokenGroups(source, layout, mask instanceof Float32Array ? mask : undefined);
      if (!this.#selects) return groups;
      const names = selectedNames(block);
      const [before, attention] = [results[names.source]?.data, results[names.attention]?.data];
      const gone = results[names.gone];
      if (before instanceof Float32Array && attention instanceof Float32Array && gone !== undefined) {
        reasons = mergeReasons(reasons, { source: before, attention, gone: Array.from(gone.data, Number) }, layout);
      }
      return { ...groups, reasons };
    });
  }

  /** Frees the network. */
  async dispose(): Promise<void> {
    await this.#session.dispose();
  }
}
