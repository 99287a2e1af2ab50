/**
 * MCTF, "Multi-criteria Token Fusion with One-step-ahead Attention" (arXiv 2403.10030;
 * mlvlab/MCTF), in blocks 1 to the last. It acts between a block's attention map and its values, on
 * the residual stream `x`. The score of a pair is a product of three:
 *
 * - similarity, `((cos(x_i, x_j) + 1) / 2)^(1/τ_sim)`;
 * - little information, `(f_i·f_j)^(1/τ_info)`, `f` one over the attention that a token receives;
 * - smallness, `(g_i·g_j)^(1/τ_size)`, `g` one over its size.
 *
 * `f` and `g` are divided by their largest value; a `τ` of 0 leaves a factor out. Tokens then fuse
 * in both directions (`two-way-matching.ts`). A fused token is the mean of its group by attention
 * received times size; there are three other means. With one-step-ahead attention 1 the fused
 * tokens read by the map that is there already: columns of a group add up, its rows become their
 * mean, and values come from the fused tokens. With 2 the map is computed anew, and with 0 tokens
 * fuse after the MLP instead. Attention is proportional to sizes from the block after the first
 * fusion on. The code never goes below 10 tokens. Prefix tokens never move; there may be none.
 * Nothing is trained.
 *
 * The map's rows are pooled after they have gathered values, which is the same and needs no second
 * map; only the maximum (`pooling=maximum`) is not linear and needs it.
 */
import {
  add,
  div,
  matMul,
  max,
  mul,
  pow,
  reciprocal,
  reduceMax,
  reshape,
  slice,
  transpose,
} from '../../graph/operators/index.ts';
import { DiffrateError } from '../../errors.ts';
import { dimensionAt, inScope, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { joinHeads, splitHeads } from '../../nn/attention.ts';
import { mostPairs } from '../bipartite-matching.ts';
import { tokensOf } from '../network-shape.ts';
import type { NetworkShape } from '../network-shape.ts';
import { asRow } from '../positions.ts';
import { groupMaxima, groupMeans, groupOfEach, groupSums, groupedState } from '../token-groups.ts';
import type { TokenGroups } from '../token-groups.ts';
import { tokenCount } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import type { FusedTokens, MapView, TokenReducer } from '../token-reducer.ts';
import type { TokenState } from '../token-state.ts';
import { matchBothWays } from '../two-way-matching.ts';
import { unitLength } from '../unit-length.ts';
import type { BlockWork, ReductionMethod } from './method.ts';
import { countOfChosenBlocks, ofPatches, requireMergeable, stageBlocks } from './per-block.ts';

/** What a fused token is: a mean by weights, or the largest of each channel. */
export const fusionPoolings = ['attention', 'size', 'maximum', 'mean'] as const;

/** Choices of MCTF. */
export interface MctfOptions {
  /** Tokens that go in each block; a number below 1 is a share of the patch tokens there. */
  readonly removed: readonly number[];
  /** Temperatures of the three factors; 0 leaves one out. */
  readonly temperatures: { readonly similarity: number; readonly information: number; readonly size: number };
  /** One-step-ahead attention: 0, 1 or 2. */
  readonly ahead: number;
  /** Whether tokens fuse in both directions. */
  readonly both: boolean;
  readonly pooling: (typeof fusionPoolings)[number];
  /** Whether attention is proportional to sizes. */
  readonly proportional: boolean;
}

/** The code leaves no fewer tokens than this. */
const fewestTokens = 10;

/** How many of N tokens go in a block, as the authors' code counts. */
function removedTokens(wanted: number, tokens: number, layout: TokenLayout): number {
  const above = tokens - wanted < fewestTokens ? tokens - fewestTokens : wanted;
  const count = above < 1 ? Math.trunc((tokens - layout.prefix) * above) : above;
  return Math.max(0, Math.min(count, mostPairs(tokens, layout)));
}

/** Tokens that are left after each block. */
export function mctfTokens({ removed }: Pick<MctfOptions, 'removed'>, layout: TokenLayout): number[] {
  let left = tokenCount(layout);
  return removed.map((wanted) => (left -= removedTokens(wanted, left, layout)));
}

/** MCTF's reducer. */
export function mctf(options: MctfOptions, layout: TokenLayout): TokenReducer {
  const groupsIn = (block: number, state: TokenState, view: MapView): TokenGroups | undefined => {
    const count = removedTokens(options.removed[block] ?? 0, sizeAt(state.features, 1), layout);
    if (count < 1) return undefined;
    const first = options.both ? Math.floor(count / 2) : count;
    const rounds = { first, second: count - first, both: options.both };
    return inScope('match', () => matchBothWays(scoresOf(state, view, options), rounds, layout));
  };
  const base: TokenReducer = {
    name: 'mctf',
    keySizes: (_, state) => (options.proportional ? state.size : undefined),
  };
  if (options.ahead === 0) {
    return {
      ...base,
      afterBlock(block, state, view) {
        const groups = groupsIn(block, state, view);
        return groups === undefined ? state : inScope('merge', () => fusedState(state, groups, view, options));
      },
    };
  }
  return {
    ...base,
    fuse(block, state, view): FusedTokens | undefined {
      const groups = groupsIn(block, state, view);
      if (groups === undefined) return undefined;
      const fused = inScope('merge', () => fusedState(state, groups, view, options));
      if (options.ahead === 2) return { state: fused };
      const attend = options.pooling === 'maximum' ? readByLargest : readByMeans;
      const weight = weightsOf(state, view, options);
      return {
        state: fused,
        attend: (values, prefixOnly) =>
          attend({ view, groups, weight, values }, prefixOnly ? layout.prefix : undefined),
      };
    },
  };
}

/** Scores of all pairs of an even and an odd position, `[B, |A|, |B|]`, from 0 to 1. */
function scoresOf(state: TokenState, view: MapView, { temperatures }: MctfOptions): Tensor {
  const tokens = sizeAt(state.features, 1);
  const even = (x: Tensor): Tensor => slice(x, 1, 0, tokens, 2);
  const odd = (x: Tensor): Tensor => slice(x, 1, 1, tokens, 2);
  const factors: Tensor[] = [];
  if (temperatures.similarity > 0) {
    const unit = unitLength(state.features);
    const cosines = matMul(even(unit), transpose(odd(unit), [0, 2, 1]));
    // Rounding may bring a cosine below −1.
    const halved = max(add(mul(cosines, 0.5), 0.5), 0);
    factors.push(temperatures.similarity === 1 ? halved : pow(halved, 1 / temperatures.similarity));
  }
  const weights = [
    ...(temperatures.information > 0 ? [inverseShare(view.attentionReceived(), temperatures.information)] : []),
    ...(temperatures.size > 0 && state.size !== undefined ? [inverseShare(state.size, temperatures.size)] : []),
  ];
  if (weights.length > 0) {
    const weight = weights.reduce(mul);
    factors.push(mul(even(weight), asRow(odd(weight))));
  }
  return factors.reduce(mul);
}

/** `(1/x)^(1/τ)` of `x [B, N, 1]`, `1/x` as a share of the largest. */
function inverseShare(x: Tensor, temperature: number): Tensor {
  const inverse = reciprocal(x);
  const share = div(inverse, reduceMax(inverse, [1], true));
  return temperature === 1 ? share : pow(share, 1 / temperature);
}

/** What tokens weigh in a mean, `[B, N, 1]`; `undefined`: all the same. */
function weightsOf({ size }: TokenState, view: MapView, { pooling }: MctfOptions): Tensor | undefined {
  if (pooling === 'size') return size;
  if (pooling !== 'attention') return undefined;
  return size === undefined ? view.attentionReceived() : mul(view.attentionReceived(), size);
}

function fusedState(state: TokenState, groups: TokenGroups, view: MapView, options: MctfOptions): TokenState {
  const features =
    options.pooling === 'maximum'
      ? groupMaxima(state.features, groups)
      : groupMeans(state.features, groups, weightsOf(state, view, options));
  return groupedState(state, groups, features);
}

/** A map of N tokens, and values `[B, N', C]` of the tokens that they have become. */
interface Reading {
  readonly view: MapView;
  readonly groups: TokenGroups;
  readonly weight: Tensor | undefined;
  readonly values: Tensor;
}

/**
 * Every old token reads its keys' new values, and groups take the mean of what their tokens have
 * read: `[B, N', C]`.
 * @param leading only so many tokens, which are alone in their groups.
 */
function readByMeans({ view, groups, weight, values }: Reading, leading: number | undefined): Tensor {
  const ofEach = splitHeads(groupOfEach(values, groups), view.heads);
  const map = view.probabilities();
  const rows = leading === undefined ? map : slice(map, 2, 0, leading);
  const read = joinHeads(matMul(rows, ofEach));
  return leading === undefined ? groupMeans(read, groups, weight) : read;
}

/** Rows of a group become their largest values, after its columns have been added up. */
function readByLargest({ view, groups, values }: Reading, leading: number | undefined): Tensor {
  const map = view.probabilities();
  const [batch, heads, tokens] = [dimensionAt(map, 0), view.heads, sizeAt(map, 3)];
  const left = sizeAt(groups.kept, 1);
  const columns = reshape(transpose(map, [0, 3, 1, 2]), [batch, tokens, heads * tokens]);
  const added = reshape(groupSums(columns, groups), [batch, left, heads, tokens]);
  const rows = reshape(transpose(added, [0, 3, 2, 1]), [batch, tokens, heads * left]);
  const largest = transpose(reshape(groupMaxima(rows, groups), [batch, left, heads, left]), [0, 2, 1, 3]);
  const asked = leading === undefined ? largest : slice(largest, 2, 0, leading);
  return joinHeads(matMul(asked, splitHeads(values, heads)));
}

/** Queries, keys and scores of the tokens before, values and the rest of those after. */
const workOf: Readonly<Record<number, BlockWork>> = {
  0: { attention: [1, 0], mlp: [1, 0] },
  1: { attention: [0.5, 0.5], mlp: [0, 1] },
  2: { attention: [0.5, 1], mlp: [0, 1] },
};

/** `mctf:r=16`, `mctf:share=0.35,blocks=3/6/9`. */
export const mctfMethod: ReductionMethod = {
  name: 'mctf',
  title: 'MCTF (arXiv 2403.10030)',
  keys: [
    {
      name: 'r',
      kind: 'list',
      meaning:
        'tokens fused in each of the blocks, a fraction being spread over them, or one number per block of the network',
      fallback: (network) => [ofPatches(16)(network)],
      min: 0,
    },
    {
      name: 'share',
      kind: 'number',
      meaning: 'share of patch tokens fused in each of the blocks, in place of r; 0: r is used',
      fallback: 0,
      min: 0,
      max: 0.5,
    },
    {
      name: 'blocks',
      kind: 'list',
      meaning: 'blocks in which tokens fuse, counted from 0; not read where r is a list',
      fallback: ({ depth }) =>
        Array.from({ length: Math.max(1, depth - 1) }, (_, index) => Math.min(depth - 1, index + 1)),
      min: 0,
    },
    { name: 'sim', kind: 'number', meaning: 'temperature of similarity; 0: off', fallback: 1, min: 0 },
    { name: 'info', kind: 'number', meaning: 'temperature of information; 0: off', fallback: 20, min: 0 },
    { name: 'size', kind: 'number', meaning: 'temperature of size; 0: off', fallback: 40, min: 0 },
    {
      name: 'ahead',
      kind: 'integer',
      meaning: 'one-step-ahead attention; 0: fuse after the block, 2: compute the map anew',
      fallback: 1,
      min: 0,
      max: 2,
    },
    { name: 'bidirection', kind: 'flag', meaning: 'fuse in both directions', fallback: true },
    {
      name: 'pooling',
      kind: 'word',
      words: fusionPoolings,
      meaning: 'what a fused token is: the mean by attention and size, by size, the maximum, the plain mean',
      fallback: 'attention',
    },
    { name: 'proportional', kind: 'flag', meaning: 'proportional attention', fallback: true },
  ],
  needsClassToken: false,
  mergesOnly: true,
  knob: { key: 'r', min: () => 0, max: (network) => mostPairs(tokensOf(network), network.layout), rising: false },
  build(parameters, network) {
    const temperatures = {
      similarity: parameters.number('sim'),
      information: parameters.number('info'),
      size: parameters.number('size'),
    };
    if (temperatures.similarity === 0 && temperatures.information === 0) {
      throw new DiffrateError(
        'mctf:sim=0,info=0 leaves sizes alone, which are all the same at first: set sim or info above 0.',
      );
    }
    const pooling = fusionPoolings.find((name) => name === parameters.text('pooling')) ?? 'attention';
    const options: MctfOptions = {
      removed: removedOf(parameters.number('share'), parameters.numbers('r'), parameters.numbers('blocks'), network),
      temperatures,
      ahead: parameters.number('ahead'),
      both: parameters.flag('bidirection'),
      pooling,
      proportional: parameters.flag('proportional'),
    };
    return {
      reducer: mctf(options, network.layout),
      tokensPerBlock: mctfTokens(options, network.layout),
      ...(workOf[options.ahead] === undefined ? {} : { work: workOf[options.ahead] }),
    };
  },
};

function removedOf(
  share: number,
  counts: readonly number[],
  blocks: readonly number[],
  network: NetworkShape,
): readonly number[] {
  const chosen = stageBlocks('mctf', blocks, network);
  if (share > 0) return Array.from({ length: network.depth }, (_, block) => (chosen.includes(block) ? share : 0));
  const removed = countOfChosenBlocks('mctf', 'r', counts, chosen, network);
  requireMergeable('mctf', 'r', removed, network);
  return removed;
}
