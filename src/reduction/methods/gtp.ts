/**
 * GTP, "Graph-based Token Propagation" (arXiv 2311.03035; Ackesnal/GTP-ViT), its variant
 * MixedAttnMax. A graph of patch tokens is made once, from the embedded patches: neighbours on the
 * grid and in meaning (`gtp-graph.ts`). In every block, between attention and MLP, patch tokens are
 * sorted by a product of two numbers: the largest over heads of their attention to themselves, and
 * the largest over heads of the attention they receive. The last `p` are propagated: each kept
 * token gets `α·weight·x` of those it has an edge to, and they are gone. Token scales start at 1,
 * grow by the same formula, and their logarithm joins the logits. With sparsity below 1, all but
 * that share of the attention weights of a head are set to 0, for values and selection alike.
 * Nothing is trained. Prefix tokens, of which there may be none, stay untouched.
 */
import {
  add,
  cast,
  gatherND,
  greaterOrEqual,
  matMul,
  mul,
  reduceMax,
  reduceSum,
  reshape,
  slice,
  softmax,
  topK,
} from '../../graph/operators/index.ts';
import { DiffrateError } from '../../errors.ts';
import { constant, dimensionAt, inScope, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { nameOf, tokensOf } from '../network-shape.ts';
import { afterChoosing, oneHotColumns, perPosition, prefixColumn } from '../positions.ts';
import { smallestKept } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import { gatherTokens, withTraveller } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import type { AttendedView, TokenReducer } from '../token-reducer.ts';
import { graphKinds, propagationGraph } from './gtp-graph.ts';
import type { GraphKind } from './gtp-graph.ts';
import type { ReductionMethod } from './method.ts';
import { countPerBlock, perBlockKey, tokensAfterRemoving } from './per-block.ts';

/** Choices of GTP. */
export interface GtpOptions {
  /** Tokens that are propagated per block; fewer where not so many are left. */
  readonly propagated: readonly number[];
  /** α: how much of a propagated token its neighbours get. */
  readonly alpha: number;
  /** Share of attention weights that stay; 1 is all. */
  readonly sparsity: number;
  readonly graph: GraphKind;
  /** Semantic neighbours of a patch. */
  readonly neighbours: number;
  /** Whether token scales join the logits. */
  readonly tokenScale: boolean;
}

/** Above any score, the number of tokens at most: prefix tokens come first. */
const aboveAll = 1e4;

/**
 * What tokens carry along: edge weights to the tokens of the first block, `[B, N, N0]`, and which
 * of these they are.
 */
const [edgesName, positionName] = ['gtp.edges', 'gtp.position'];

/** At least one patch token is kept, for the others to propagate to. */
const mostPropagated = (tokens: number, layout: TokenLayout): number => Math.max(0, tokens - smallestKept(layout));

/** Tokens that are left after each block. */
export function gtpTokens(propagated: readonly number[], layout: TokenLayout): number[] {
  return tokensAfterRemoving(propagated, layout, mostPropagated);
}

/** GTP's reducer. */
export function gtp(options: GtpOptions, layout: TokenLayout): TokenReducer {
  const { propagated, alpha, sparsity, graph, neighbours, tokenScale } = options;
  return {
    name: 'gtp',
    needsEveryQuery: sparsity < 1,
    keySizes: (_, state) => state.size,
    beforeBlock(block, state) {
      if (block > 0) return state;
      return inScope('graph', () => {
        const edges = mul(propagationGraph(state.features, layout, graph, neighbours), alpha);
        // Zero times a channel carries the batch dimension.
        const first = mul(slice(state.features, 2, 0, 1), 0);
        const position = add(
          first,
          perPosition(sizeAt(first, 1), (index) => index),
        );
        const withEdges = withTraveller(state, edgesName, edges, 'destination');
        return withTraveller(withEdges, positionName, position, 'destination');
      });
    },
    ...(sparsity < 1 ? { attentionWeights: (_, __, logits) => sparsified(softmax(logits), sparsity) } : {}),
    afterAttention(block, state, view) {
      const tokens = sizeAt(state.features, 1);
      const count = Math.min(propagated[block] ?? 0, mostPropagated(tokens, layout));
      if (count < 1) return state;
      const score = inScope('score', () => selectionScore(view, layout));
      return inScope('propagate', () => propagate(state, score, count, tokenScale));
    },
  };
}

/**
 * Attention weights `[B, H, N, N]` below the `⌊N²·(1 − sparsity)⌋`-th smallest of their head become
 * 0, the others stay as they are.
 */
function sparsified(probabilities: Tensor, sparsity: number): Tensor {
  const [queries, keys] = [sizeAt(probabilities, 2), sizeAt(probabilities, 3)];
  const all = queries * keys;
  const dropped = Math.trunc(all * (1 - sparsity));
  if (dropped < 1) return probabilities;
  const [batch, heads] = [dimensionAt(probabilities, 0), sizeAt(probabilities, 1)];
  const flat = reshape(probabilities, [batch, heads, all]);
  const fromTop = all - dropped + 1 < dropped;
  const extremes = topK(flat, fromTop ? all - dropped + 1 : dropped, fromTop).values;
  const threshold = reshape(slice(extremes, 2, -1), [batch, heads, 1, 1]);
  return mul(probabilities, cast(greaterOrEqual(probabilities, threshold), 'float32'));
}

/** `[B, N, 1]`, prefix tokens first of all. */
function selectionScore(view: AttendedView, layout: TokenLayout): Tensor {
  const probabilities = view.probabilities();
  const [batch, heads, tokens] = [dimensionAt(probabilities, 0), sizeAt(probabilities, 1), sizeAt(probabilities, 3)];
  const flat = reshape(probabilities, [batch, heads, tokens * tokens]);
  const toItself = reduceMax(slice(flat, 2, 0, tokens * tokens, tokens + 1), [1]);
  const ones = constant(new Float32Array(tokens).fill(1), [1, 1, 1, tokens], 'float32');
  const received = reduceMax(matMul(ones, probabilities), [1, 2]);
  const score = reshape(mul(toItself, received), [batch, tokens, 1]);
  const { prefix } = layout;
  if (prefix === 0) return score;
  return add(
    score,
    prefixColumn(layout, tokens, (position) => aboveAll + tokens * (prefix - 1 - position)),
  );
}

/**
 * Keeps all but the `count` tokens of least score, and adds those to the kept ones along the edges.
 */
function propagate(state: TokenState, score: Tensor, count: number, tokenScale: boolean): TokenState {
  const [edges, position] = [edgesName, positionName].map((name) => state.travellers?.[name]?.value);
  if (edges === undefined || position === undefined) {
    throw new DiffrateError('GTP finds no graph at its tokens: its reducer must see the network from block 0 on.');
  }
  const [tokens, original] = [sizeAt(score, 1), sizeAt(edges, 2)];
  const highest = topK(score, tokens - count, true, 1);
  const kept = gatherTokens(state, highest.indices);
  // Where scores are equal, the first tokens stay.
  const rows = topK(afterChoosing(score, highest), count, true, 1).indices;
  const gone = (x: Tensor): Tensor => gatherND(x, rows);
  const columns = oneHotColumns(gone(position), original);
  const weights = matMul(kept.travellers?.[edgesName]?.value as Tensor, columns);
  const features = add(kept.features, matMul(weights, gone(state.features)));
  if (!tokenScale) return { ...kept, features };
  const size =
    state.size === undefined || kept.size === undefined
      ? add(reduceSum(weights, [2], true), 1)
      : add(kept.size, matMul(weights, gone(state.size)));
  return { ...kept, features, size };
}

/** `gtp:p=8`, `gtp:p=8,alpha=0.1,sparsity=0.8,graph=mixed,neighbours=8,scale=true`. */
export const gtpMethod: ReductionMethod = {
  name: 'gtp',
  title: 'GTP (arXiv 2311.03035)',
  keys: [
    perBlockKey(
      'p',
      'tokens propagated in every block, a fraction being spread over blocks, or one number per block',
      8,
    ),
    {
      name: 'alpha',
      kind: 'number',
      meaning: 'share of a propagated token that neighbours get',
      fallback: 0.1,
      min: 0,
    },
    {
      name: 'sparsity',
      kind: 'number',
      meaning: 'share of attention weights that stay',
      fallback: 1,
      min: 0.01,
      max: 1,
    },
    { name: 'graph', kind: 'word', words: graphKinds, meaning: 'what makes edges', fallback: 'mixed' },
    { name: 'neighbours', kind: 'integer', meaning: 'neighbours in meaning of a patch', fallback: 8, min: 1 },
    { name: 'scale', kind: 'flag', meaning: 'token scales join the logits', fallback: true },
  ],
  needsClassToken: false,
  pictureRemark:
    'Propagated patches are hatched as pruned ones: they are gone as tokens, though their neighbours get a small share of each.',
  knob: { key: 'p', min: () => 0, max: (network) => mostPropagated(tokensOf(network), network.layout), rising: false },
  build(parameters, network) {
    const propagated = countPerBlock('gtp', 'p', parameters.numbers('p'), network);
    const [tokens, { layout }] = [tokensOf(network), network];
    const most = mostPropagated(tokens, layout);
    const largest = Math.max(...propagated);
    if (largest > most) {
      throw new DiffrateError(
        `gtp:p=${largest} propagates more tokens than there are: ${nameOf(network)} has ${tokens}; ` +
          `lower p to at most ${most}.`,
      );
    }
    const graph = graphKinds.find((kind) => kind === parameters.text('graph')) ?? 'mixed';
    const options: GtpOptions = {
      propagated,
      graph,
      alpha: parameters.number('alpha'),
      sparsity: parameters.number('sparsity'),
      neighbours: parameters.number('neighbours'),
      tokenScale: parameters.flag('scale'),
    };
    return { reducer: gtp(options, layout), tokensPerBlock: gtpTokens(propagated, layout) };
  },
};
