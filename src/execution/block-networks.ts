/**
 * A network cut at the blocks of its span: one session per block whose number of tokens, and how
 * many of them stay, are free. A block's result can then be kept and continued with different kept
 * numbers, so that schedules which start alike share the work of their common blocks. What a block
 * does is DiffRate (arXiv 2305.17997) as `reduction/methods/diffrate-inputs.ts` says. What lies
 * before the span is run with the embedding, what lies after it with the readout.
 */
import { lower } from '../graph/lower.ts';
import { inScope, input } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { canReadPrefixOnly, forwardFrom, forwardTo, pixelInput } from '../networks/forward.ts';
import type { BlockContext, Network } from '../networks/network.ts';
import type { OnnxModel } from '../onnx/model.ts';
import type { MergeRule } from '../reduction/merge-rule.ts';
import { freeBlock, freeDiffRate } from '../reduction/methods/diffrate-inputs.ts';
import type { FreeBlock } from '../reduction/methods/diffrate-inputs.ts';
import type { EffectiveBlock, ReductionRules } from '../reduction/schedule.ts';
import type { Selection } from '../reduction/selection.ts';
import { tokenCount } from '../reduction/token-layout.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import { sourceTraveller } from '../reduction/token-state.ts';
import type { TokenState } from '../reduction/token-state.ts';
import { floats, integers } from '../runtime/runtime.ts';
import type { Runtime, RuntimeTensor, Session, SessionOptions } from '../runtime/runtime.ts';
import type { BuiltNetwork } from './network-session.ts';

/**
 * Tokens between two blocks: `features [B, N, C]`, `size [B, N, 1]`, and `source [B, N, N0]` of a
 * network that restores its tokens.
 */
export interface BlockState {
  readonly features: RuntimeTensor;
  readonly size: RuntimeTensor;
  readonly source?: RuntimeTensor | undefined;
}

/** How to build and run the blocks. */
export interface BlockNetworksOptions extends SessionOptions {
  readonly runtime: Runtime;
  /** B, the same in every run. */
  readonly batch: number;
  /** How tokens merge. */
  readonly merging: MergeRule;
  /** Which tokens go, where that is not by class attention alone. */
  readonly selection?: Selection | undefined;
}

/** The sessions of one network at one batch size; dispose it. */
export class BlockNetworks {
  readonly #model: BuiltNetwork;
  readonly #batch: number;
  readonly #rules: ReductionRules;
  readonly #runtime: Runtime;
  readonly #options: SessionOptions;
  readonly #sessions = new Map<string, Promise<Session>>();

  constructor(model: BuiltNetwork, { runtime, batch, merging, selection, ...options }: BlockNetworksOptions) {
    this.#model = model;
    this.#batch = batch;
    this.#rules = { merging, selection };
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Tokens before the first block of the span, from pixels `[B, channels, height, width]`. */
  async embed(pixels: Float32Array): Promise<BlockState> {
    const { network } = this.#model;
    const { channels, height, width } = network.input;
    const session = await this.#session('embedding', () => embeddingModel(this.#model, this.#batch));
    const { features } = await session.run({
      pixel_values: floats(pixels, [this.#batch, channels, height, width]),
    });
    const tokens = tokenCount(network.layout);
    const size = floats(new Float32Array(this.#batch * tokens).fill(1), [this.#batch, tokens, 1]);
    return {
      features: features as RuntimeTensor,
      size,
      ...(network.restore === undefined ? {} : { source: identitySources(this.#batch, tokens) }),
    };
  }

  /** Tokens after a block of the span, counted from its first, that keeps these numbers. */
  async run(index: number, state: BlockState, kept: EffectiveBlock): Promise<BlockState> {
    const { block, counts } = freeBlock(this.#model.network, kept, this.#rules);
    const session = await this.#session(`blocks.${index}.${kindOf(block)}`, () =>
      blockModel(this.#model, this.#batch, index, block, this.#rules),
    );
    const outputs = await session.run({ ...feedsOf(state), ...vectorsOf(counts) });
    return {
      features: outputs['features_out'] as RuntimeTensor,
      size: outputs['size_out'] as RuntimeTensor,
      ...(state.source === undefined ? {} : { source: outputs['source_out'] as RuntimeTensor }),
    };
  }

  /**
   * Answers `[B, D]` from the tokens before the last block of the span.
   * @param kept what that block keeps, by default all. It reaches no readout of prefix tokens.
   */
  async readout(state: BlockState, kept?: EffectiveBlock): Promise<Float32Array> {
    const { block, counts } =
      kept === undefined ? { block: keepsAll, counts: {} } : freeBlock(this.#model.network, kept, this.#rules);
    const session = await this.#session(`readout.${kindOf(block)}`, () =>
      readoutModel(this.#model, this.#batch, block, this.#rules),
    );
    const { answer } = await session.run({ ...feedsOf(state), ...vectorsOf(counts) });
    return answer?.data as Float32Array;
  }

  /** Frees all sessions. */
  async dispose(): Promise<void> {
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    // Of one that could not be loaded whoever asked for it was told.
    await Promise.all(sessions.map(async (session) => (await session.catch(() => undefined))?.dispose()));
  }

  #session(name: string, model: () => OnnxModel): Promise<Session> {
    const known = this.#sessions.get(name);
    if (known !== undefined) return known;
    // Each of some thirty sessions would keep its own memory for intermediate results: 0.6 GB on
    // DeiT-T.
    const loading = this.#runtime.load(model(), { ...this.#options, returnsMemory: true });
    this.#sessions.set(name, loading);
    // One that could not be loaded may be asked for again.
    loading.catch(() => this.#sessions.delete(name));
    return loading;
  }
}

function feedsOf({ features, size, source }: BlockState): Record<string, RuntimeTensor> {
  return source === undefined ? { features, size } : { features, size, source };
}

const keepsAll: FreeBlock = { removal: 'none', chooses: false };

const kindOf = ({ removal, chooses }: FreeBlock): string => (chooses ? `${removal}-chosen` : removal);

function vectorsOf(counts: Readonly<Record<string, number>>): Record<string, RuntimeTensor> {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, integers([count])]));
}

/** At the input every token is its own source, `[B, N, N]`. */
function identitySources(batch: number, tokens: number): RuntimeTensor {
  const data = new Float32Array(batch * tokens * tokens);
  for (let row = 0; row < batch * tokens; row++) data[row * tokens + (row % tokens)] = 1;
  return floats(data, [batch, tokens, tokens]);
}

function embeddingModel({ network, parameters }: BuiltNetwork, batch: number): OnnxModel {
  const pixels = pixelInput(network, batch);
  const { features } = forwardTo(network, pixels, parameters);
  return lower({ features }, [pixels]);
}

/** State that comes from outside, and its tensors in the order of feeds. */
function stateInputs(
  network: Network,
  batch: number,
): { readonly state: TokenState; readonly inputs: readonly Tensor[] } {
  const features = input('features', 'float32', [batch, 'tokens', network.width]);
  const size = input('size', 'float32', [batch, 'tokens', 1]);
  if (network.restore === undefined) return { state: { features, size }, inputs: [features, size] };
  const source = input('source', 'float32', [batch, 'tokens', tokenCount(network.layout)]);
  const travellers = { [sourceTraveller]: { value: source, merging: 'sum' as const } };
  return { state: { features, size, travellers }, inputs: [features, size, source] };
}

function blockModel(
  { network, parameters }: BuiltNetwork,
  batch: number,
  index: number,
  free: FreeBlock,
  rules: ReductionRules,
): OnnxModel {
  const { state, inputs } = stateInputs(network, batch);
  const { reducer, counts } = freeDiffRate(free, network, rules);
  const context = contextOf(parameters, reducer, index, false);
  const block = network.span.first + index;
  const after = inScope(`blocks.${block}`, () => network.block(block, state, context));
  const source = after.travellers?.[sourceTraveller]?.value;
  return lower(
    {
      features_out: after.features,
      size_out: after.size ?? (state.size as Tensor),
      ...(source === undefined ? {} : { source_out: source }),
    },
    [...inputs, ...counts],
  );
}

/** The last block of the span, and everything after it. */
function readoutModel(
  { network, parameters }: BuiltNetwork,
  batch: number,
  free: FreeBlock,
  rules: ReductionRules,
): OnnxModel {
  const { state, inputs } = stateInputs(network, batch);
  const { reducer, counts } = freeDiffRate(free, network, rules);
  const block = network.span.end - 1;
  const context = contextOf(parameters, reducer, network.depth - 1, canReadPrefixOnly(network, reducer, block));
  const last = inScope(`blocks.${block}`, () => network.block(block, state, context));
  return lower({ answer: forwardFrom(network, last, parameters).answer }, [...inputs, ...counts]);
}

function contextOf(
  parameters: BuiltNetwork['parameters'],
  reducer: TokenReducer,
  reducedBlock: number,
  prefixOnly: boolean,
): BlockContext {
  return { parameters, reducer, reducedBlock, prefixOnly, branch: (output) => output };
}
