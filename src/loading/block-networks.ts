/**
 * A network cut at its blocks: one session per block whose number of tokens, and how many of them stay, are free. A block's result
 * can then be kept and continued with different kept numbers, so that schedules which start alike share the work of their common
 * blocks. What a block does is DiffRate (arXiv 2305.17997) as `reduction/methods/diffrate.ts` does it with constants.
 * Nothing of size zero reaches ONNX Runtime: a block that merges nothing, or removes nothing, runs in a session without these nodes.
 */
import { lower } from '../graph/lower.ts';
import { add, concat, dynamicSlice, slice, topK } from '../graph/operators/index.ts';
import { inScope, input, int64Vector } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Network } from './network-session.ts';
import { tokenCount } from '../models/configuration.ts';
import { block } from '../models/transformer-block.ts';
import { classify, embed, pooled } from '../models/vision-transformer.ts';
import type { OnnxModel } from '../onnx/model.ts';
import type { MergeRule } from '../reduction/merge-rule.ts';
import { mergeTokens } from '../reduction/merge.ts';
import { sumOverHeads } from '../reduction/sum-over-heads.ts';
import type { EffectiveBlock } from '../reduction/schedule.ts';
import { keepAllTokens } from '../reduction/token-reducer.ts';
import type { AttentionView, TokenReducer } from '../reduction/token-reducer.ts';
import type { TokenState } from '../reduction/token-state.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import { floats, integers } from '../runtime/runtime.ts';
import type { RuntimeTensor, Session, SessionOptions } from '../runtime/runtime.ts';

/** Tokens between two blocks: `features [B, N, C]` and `size [B, N, 1]`. */
export interface BlockState {
  readonly features: RuntimeTensor;
  readonly size: RuntimeTensor;
}

/** What a block does to its tokens: nothing, or it keeps the most important ones, or of these it merges some into the others. */
type Removal = 'none' | 'prune' | 'merge';

/** Larger than any attention; added to the class token so that it always comes first. */
const alwaysFirst = 1e4;

/** The sessions of one network at one batch size; dispose it. */
export class BlockNetworks {
  readonly #network: Network;
  readonly #batch: number;
  readonly #options: SessionOptions;
  readonly #merging: MergeRule;
  readonly #sessions = new Map<string, Session>();

  /**
   * @param batch B, the same in every run.
   * @param merging how tokens merge.
   */
  constructor(network: Network, batch: number, options: SessionOptions = {}, merging: MergeRule = 'similarity') {
    this.#network = network;
    this.#batch = batch;
    this.#options = options;
    this.#merging = merging;
  }

  /** Tokens before the first block, from pixels `[B, 3, S, S]`. */
  async embed(pixels: Float32Array): Promise<BlockState> {
    const { inputSize } = this.#network.configuration;
    const session = await this.#session('embedding', () => embeddingModel(this.#network, this.#batch));
    const { features } = await session.run({ pixels: floats(pixels, [this.#batch, 3, inputSize, inputSize]) });
    const tokens = tokenCount(this.#network.configuration);
    const size = floats(new Float32Array(this.#batch * tokens).fill(1), [this.#batch, tokens, 1]);
    return { features: features as RuntimeTensor, size };
  }

  /** Tokens after a block that keeps these numbers. */
  async run(index: number, { features, size }: BlockState, kept: EffectiveBlock): Promise<BlockState> {
    const removal = removalOf(kept);
    const session = await this.#session(`blocks.${index}.${removal}`, () =>
      blockModel(this.#network, this.#batch, index, removal, this.#merging),
    );
    const feeds: Record<string, RuntimeTensor> = { features, size };
    if (removal !== 'none') feeds['pruneKept'] = integers([kept.pruneKept]);
    if (removal === 'merge') feeds['mergeKept'] = integers([kept.mergeKept]);
    const outputs = await session.run(feeds);
    return { features: outputs['features_out'] as RuntimeTensor, size: outputs['size_out'] as RuntimeTensor };
  }

  /**
   * Logits `[B, classes]` from the tokens before the last block. What that block keeps does not reach a head that reads the class token;
   * where the head reads the mean of patches, the block removes none (`compressibleBlocks`).
   */
  async classify({ features, size }: BlockState): Promise<Float32Array> {
    const session = await this.#session('head', () => headModel(this.#network, this.#batch));
    const { logits } = await session.run({ features, size });
    return logits?.data as Float32Array;
  }

  /** Frees all sessions. */
  async dispose(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => session.dispose()));
    this.#sessions.clear();
  }

  async #session(name: string, model: () => OnnxModel): Promise<Session> {
    // Each of some thirty sessions would keep its own memory for intermediate results: 0.6 GB on DeiT-T.
    const loaded =
      this.#sessions.get(name) ?? (await nodeRuntime.load(model(), { ...this.#options, returnsMemory: true }));
    this.#sessions.set(name, loaded);
    return loaded;
  }
}

function removalOf({ tokensIn, pruneKept, mergeKept }: EffectiveBlock): Removal {
  if (mergeKept < pruneKept) return 'merge';
  return pruneKept < tokensIn ? 'prune' : 'none';
}

function embeddingModel({ configuration, parameters }: Network, batch: number): OnnxModel {
  const { inputSize } = configuration;
  const pixels = input('pixels', 'float32', [batch, 3, inputSize, inputSize]);
  return lower({ features: embed(pixels, configuration, parameters) }, [pixels]);
}

/** State that comes from outside. */
function stateInputs(batch: number, width: number): { readonly features: Tensor; readonly size: Tensor } {
  return {
    features: input('features', 'float32', [batch, 'tokens', width]),
    size: input('size', 'float32', [batch, 'tokens', 1]),
  };
}

function blockModel(
  { configuration, parameters }: Network,
  batch: number,
  index: number,
  removal: Removal,
  merging: MergeRule,
): OnnxModel {
  const state = stateInputs(batch, configuration.width);
  const pruneKept = input('pruneKept', 'int64', [1]);
  const mergeKept = input('mergeKept', 'int64', [1]);
  const counts = removal === 'none' ? [] : removal === 'prune' ? [pruneKept] : [pruneKept, mergeKept];
  const reducer = freeDiffRate(removal, pruneKept, mergeKept, merging);
  const branch = (output: Tensor): Tensor => output;
  const context = { configuration, parameters, reducer, index, classTokenOnly: false, branch };
  const { features, size } = inScope(`blocks.${index}`, () => block(state, context));
  return lower({ features_out: features, size_out: size ?? state.size }, [state.features, state.size, ...counts]);
}

function headModel({ configuration, parameters }: Network, batch: number): OnnxModel {
  const state = stateInputs(batch, configuration.width);
  const branch = (output: Tensor): Tensor => output;
  const reducer: TokenReducer = { ...keepAllTokens, keySizes: (_, { size }) => size };
  const classTokenOnly = configuration.pool === 'class-token';
  const context = { configuration, parameters, reducer, index: configuration.depth - 1, classTokenOnly, branch };
  const last = inScope(`blocks.${context.index}`, () => block(state, context));
  const logits = classify(pooled(last, configuration, parameters), configuration, parameters);
  return lower({ logits }, [state.features, state.size]);
}

/** DiffRate whose kept numbers are inputs. */
function freeDiffRate(removal: Removal, pruneKept: Tensor, mergeKept: Tensor, merging: MergeRule): TokenReducer {
  return {
    name: 'diffrate',
    keySizes: (_, state) => state.size,
    selectQueries(_block, _state, view) {
      if (removal === 'none') return undefined;
      return inScope('sort', () => ({
        indices: topK(classAttention(view), { count: pruneKept, name: 'kept' }, true, 1).indices,
      }));
    },
    afterAttention: (_block, state) => (removal === 'merge' ? inScope('merge', () => mergeLast(state)) : state),
  };

  /** Of sorted tokens the first K stay; the class token, which comes first, takes none of the others. */
  function mergeLast(state: TokenState): TokenState {
    const part = (start: Tensor, end: Tensor, name: string): TokenState =>
      mapBoth(state, (tensor) => dynamicSlice(tensor, 1, start, end, name));
    const destinations = part(int64Vector([1]), mergeKept, 'destinations');
    const merged = mergeTokens(destinations, part(mergeKept, pruneKept, 'sources'), false, merging);
    const classToken = mapBoth(state, (tensor) => slice(tensor, 1, 0, 1));
    return {
      features: concat([classToken.features, merged.features], 1),
      size: concat([classToken.size, merged.size as Tensor], 1),
    };
  }
}

/** Importance `[B, N, 1]`: the class token's attention, mean over heads, with the class token first. */
function classAttention(view: AttentionView): Tensor {
  const score = sumOverHeads(view.classAttention(), 1 / view.heads);
  const patches = dynamicSlice(score, 1, int64Vector([1]), int64Vector([Number.MAX_SAFE_INTEGER]), 'patches');
  return concat([add(slice(score, 1, 0, 1), alwaysFirst), patches], 1);
}

function mapBoth(state: TokenState, change: (tensor: Tensor) => Tensor): { features: Tensor; size: Tensor } {
  return { features: change(state.features), size: change(state.size as Tensor) };
}
