/**
 * A block of a Vision Transformer (arXiv 2010.11929): attention, reduction, MLP, a norm before each
 * branch. The token reducer is asked before the block, for the queries, within attention and
 * between attention and the MLP. Families that differ in sizes and names share it.
 */
import { DiffrateError } from '../errors.ts';
import { add, gather, matMul, reduceMean, reshape, slice, softmax, split } from '../graph/operators/index.ts';
import { constant, constantBytes, dimensionAt, inScope, stopGradient } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Activation } from '../nn/activation.ts';
import { joinHeads, proportionalLogits, splitHeads } from '../nn/attention.ts';
import { layerNorm } from '../nn/layer-norm.ts';
import { linear, linearParameters } from '../nn/linear.ts';
import { mlp } from '../nn/mlp.ts';
import type { Parameters } from '../nn/parameters.ts';
import { softmaxAttention } from '../nn/softmax-attention.ts';
import { leadingTokens } from '../reduction/token-layout.ts';
import type { AttendedView, BlockView, FusedTokens } from '../reduction/token-reducer.ts';
import { gatherTokens } from '../reduction/token-state.ts';
import type { TokenState } from '../reduction/token-state.ts';
import type { BlockContext } from './network.ts';

/** Sizes of a block. */
export interface TransformerBlockSizes {
  /** C */
  readonly width: number;
  /** H, which divides C. */
  readonly heads: number;
  /** Hidden width of the MLP. */
  readonly hiddenWidth: number;
  readonly activation: Activation;
  readonly layerNormEpsilon: number;
  /** Prefix tokens, which alone are computed where nothing else is read. */
  readonly prefix: number;
}

/**
 * One block with the parameters `blocks.INDEX.…`. The number of tokens may be a name where the
 * reducer and the batch allow it.
 */
export function transformerBlock(
  index: number,
  state: TokenState,
  sizes: TransformerBlockSizes,
  context: BlockContext,
): TokenState {
  const { width, layerNormEpsilon } = sizes;
  const { parameters, reducer, reducedBlock, prefixOnly } = context;
  const before = inScope('reduction', () => reducer.beforeBlock?.(reducedBlock, state) ?? state);
  const attended = inScope('attention', () => attentionResidual(index, before, sizes, context));
  const { view } = attended;
  const reduced =
    prefixOnly || view === undefined
      ? attended.state
      : inScope('reduction', () => reducer.afterAttention?.(reducedBlock, attended.state, view) ?? attended.state);
  const features = inScope('mlp', () => {
    const normalized = layerNorm(reduced.features, parameters, `blocks.${index}.norm2`, width, layerNormEpsilon);
    const output = mlp(normalized, parameters, `blocks.${index}.mlp`, sizes);
    return add(reduced.features, context.branch(output, index, 'mlp'));
  });
  const after = { ...reduced, features };
  if (prefixOnly || view === undefined) return after;
  return inScope('reduction', () => reducer.afterBlock?.(reducedBlock, after, view) ?? after);
}

/** Index of the class token. */
const classTokenIndex = constant(BigInt64Array.of(0n), [], 'int64');

/** The tokens of a block before they attend, and what they need to attend. */
interface Projected {
  readonly state: TokenState;
  /** `[B, N, C]` after the norm. */
  readonly normalized: Tensor;
  readonly view: BlockView;
  /** The view's attention of the class token, computed before the other rows. */
  readonly classAttention: Lazy;
  readonly sizes: Tensor | undefined;
  /** Queries `[B, H, P, D]` of normalised tokens `[B, P, C]`. */
  queriesOf(x: Tensor): Tensor;
}

/** Tokens after attention; the view is absent where they have read by a map that is not theirs. */
interface Attended {
  readonly state: TokenState;
  readonly view?: AttendedView;
}

/** `x + Attention(LN(x))` for the tokens that the reducer lets be queries. */
function attentionResidual(
  index: number,
  state: TokenState,
  sizes: TransformerBlockSizes,
  context: BlockContext,
): Attended {
  const fused = fusedTokens(index, state, sizes, context);
  if (fused?.attend !== undefined) return readByFormerMap(index, fused.state, fused.attend, sizes, context);
  const projected = project(index, fused?.state ?? state, sizes, context);
  const { attending, queryInput } = queriesFor(projected, sizes, context);
  const attention = attend(projected, projected.queriesOf(queryInput), context);
  return { state: withOutput(index, attending, joinHeads(attention.output), sizes, context), view: attention.view };
}

/** Tokens with what attention gathered for them, `[B, P, C]`, projected and added. */
function withOutput(
  index: number,
  state: TokenState,
  output: Tensor,
  { width }: TransformerBlockSizes,
  { parameters, branch }: BlockContext,
): TokenState {
  const projected = linear(output, linearParameters(parameters, `blocks.${index}.attn.proj`, width, width));
  return { ...state, features: add(state.features, branch(projected, index, 'attention')) };
}

/** What the reducer fuses by the map of the tokens that entered the block. */
function fusedTokens(
  index: number,
  state: TokenState,
  sizes: TransformerBlockSizes,
  context: BlockContext,
): FusedTokens | undefined {
  const { reducer, reducedBlock } = context;
  if (reducer.fuse === undefined) return undefined;
  const { normalized, view, queriesOf, sizes: keySizes } = project(index, state, sizes, context);
  const map = new Lazy(() => softmax(proportionalLogits(queriesOf(normalized), view.keys, keySizes)));
  return inScope('reduction', () =>
    reducer.fuse?.(reducedBlock, state, {
      heads: view.heads,
      probabilities: () => map.tensor,
      attentionReceived: () => receivedOf(map.tensor),
    }),
  );
}

/** Fused tokens read values of their own by the map of the tokens before they fused. */
function readByFormerMap(
  index: number,
  state: TokenState,
  attend: NonNullable<FusedTokens['attend']>,
  sizes: TransformerBlockSizes,
  context: BlockContext,
): Attended {
  const { width, layerNormEpsilon, prefix } = sizes;
  const { parameters, prefixOnly } = context;
  const normalized = layerNorm(state.features, parameters, `blocks.${index}.norm1`, width, layerNormEpsilon);
  const [, , valuePart] = queryKeyValue(parameters, `blocks.${index}.attn`, width);
  const output = attend(linear(normalized, valuePart), prefixOnly);
  const attending = prefixOnly ? { features: leadingTokens(state.features, prefix) } : state;
  return { state: withOutput(index, attending, output, sizes, context) };
}

/** Attention that each key receives, `[B, N, 1]`, of a map `[B, H, P, N]`. */
function receivedOf(map: Tensor): Tensor {
  return reshape(reduceMean(map, [1, 2]), [dimensionAt(map, 0), dimensionAt(map, 3), 1]);
}

/** Keys, values and what may be known before attention. */
function project(
  index: number,
  state: TokenState,
  { width, heads, layerNormEpsilon }: TransformerBlockSizes,
  { parameters, reducer, reducedBlock }: BlockContext,
): Projected {
  const [queryPart, keyPart, valuePart] = queryKeyValue(parameters, `blocks.${index}.attn`, width);
  const normalized = layerNorm(state.features, parameters, `blocks.${index}.norm1`, width, layerNormEpsilon);
  const split = (x: Tensor, part: LinearPart): Tensor => splitHeads(linear(x, part), heads);
  const keys = split(normalized, keyPart);
  const values = split(normalized, valuePart);
  const asked = reducer.keySizes?.(reducedBlock, state);
  // Sizes grow by similarities, which carry no gradient in DiffRate.
  const sizes = asked === undefined ? undefined : stopGradient(asked);
  const queriesOf = (x: Tensor): Tensor => split(x, queryPart);
  const classRow = (): Tensor => {
    const logits = proportionalLogits(queriesOf(slice(normalized, 1, 0, 1)), keys, sizes);
    return reducer.attentionWeights?.(reducedBlock, state, logits) ?? softmax(logits);
  };
  const classAttention = new Lazy(() => gather(inScope('class-attention', classRow), classTokenIndex, 2));
  const view: BlockView = { heads, keys, values, normalized, classAttention: () => classAttention.tensor };
  return { state, normalized, view, classAttention, sizes, queriesOf };
}

/**
 * Which tokens attend: all, prefix tokens where nothing else is read, or those that the reducer
 * selects.
 */
function queriesFor(
  { state, normalized, view }: Projected,
  { prefix }: TransformerBlockSizes,
  { reducer, reducedBlock, prefixOnly }: BlockContext,
): { readonly attending: TokenState; readonly queryInput: Tensor } {
  if (prefixOnly) {
    return {
      attending: { features: leadingTokens(state.features, prefix) },
      queryInput: leadingTokens(normalized, prefix),
    };
  }
  const selection = inScope('reduction', () => reducer.selectQueries?.(reducedBlock, state, view));
  if (selection === undefined) return { attending: state, queryInput: normalized };
  const chosen = inScope('reduction/gather', () => gatherTokens(state, selection.indices));
  const queryInput = inScope(
    'reduction/gather',
    () => gatherTokens({ features: normalized }, selection.indices).features,
  );
  return { attending: { ...chosen, mask: selection.mask ?? chosen.mask }, queryInput };
}

/** Attention of the queries, the reducer's own or the plain one, and what may be known of it. */
function attend(
  { state, view, classAttention, sizes }: Projected,
  queries: Tensor,
  { reducer, reducedBlock }: BlockContext,
): { readonly output: Tensor; readonly view: AttendedView } {
  const { keys, values } = view;
  const custom = reducer.attend?.(reducedBlock, state, queries, keys, values);
  if (custom !== undefined) {
    const row = new Lazy(() => custom.classAttention());
    const received = new Lazy(() => custom.attentionReceived());
    const probabilities = (): never => {
      throw new DiffrateError(
        `Block ${reducedBlock} attends with a mask, which builds no attention map; rank tokens by what they receive.`,
      );
    };
    return {
      output: custom.output,
      view: { ...view, classAttention: () => row.tensor, attentionReceived: () => received.tensor, probabilities },
    };
  }
  const logits = proportionalLogits(queries, keys, sizes);
  const weights = reducer.attentionWeights?.(reducedBlock, state, logits);
  const { probabilities, output } =
    weights === undefined
      ? softmaxAttention(logits, values)
      : { probabilities: weights, output: matMul(weights, values) };
  // The row is the first of the map, unless a reducer has asked for it before.
  const row = classAttention.isBuilt ? classAttention : new Lazy(() => gather(probabilities, classTokenIndex, 2));
  const received = new Lazy(() => receivedOf(probabilities));
  return {
    output,
    view: {
      ...view,
      classAttention: () => row.tensor,
      attentionReceived: () => received.tensor,
      probabilities: () => probabilities,
    },
  };
}

/** A tensor that is built when first asked for. */
class Lazy {
  readonly #build: () => Tensor;
  #built: Tensor | undefined;

  constructor(build: () => Tensor) {
    this.#build = build;
  }

  get isBuilt(): boolean {
    return this.#built !== undefined;
  }

  get tensor(): Tensor {
    return (this.#built ??= this.#build());
  }
}

interface LinearPart {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
}

/**
 * The fused weight `[3C, C]` as three: three matrix products are faster than one and a
 * transposition in five axes. Constants are split into views.
 */
function queryKeyValue(
  parameters: Parameters,
  name: string,
  width: number,
): readonly [LinearPart, LinearPart, LinearPart] {
  const fused = linearParameters(parameters, `${name}.qkv`, width, 3 * width);
  const thirds = (x: Tensor): readonly Tensor[] =>
    constantBytes(x) === undefined
      ? split(x, 0, [width, width, width])
      : [0, 1, 2].map((index) => slice(x, 0, index * width, (index + 1) * width));
  const weights = thirds(fused.weight);
  const biases = fused.bias === undefined ? [] : thirds(fused.bias);
  const part = (index: number): LinearPart => ({ weight: weights[index] as Tensor, bias: biases[index] });
  return [part(0), part(1), part(2)];
}
