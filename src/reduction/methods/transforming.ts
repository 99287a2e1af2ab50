/**
 * Token Transforming (arXiv 2506.05709), **in a reading of this library's own**. The paper writes
 * token reduction as a product, `Y = W·X`, where a token may go into several others. Its authors
 * published no code, and what follows is not checked against theirs:
 *
 * In every block, between attention and MLP, tokens are ranked by the attention of the class token,
 * or by what they receive where there is none. The last `r` go. Each gives shares of itself to the
 * `partners` tokens that stay and resemble it most, by the cosine of features: the softmax of these
 * cosines at a temperature. So a column of `W` has several numbers that are not 0, where merging
 * has one. A token that stays becomes `Σ share·size·x / Σ share·size` over itself and all that
 * comes, its size the denominator; all sizes together stay the same. Attention is proportional to
 * sizes. With `partners=1` it is merging. Prefix tokens stay, and receive nothing; there may be
 * none. Nothing is trained.
 *
 * Of the source map a patch has a row in every token that holds a share of it.
 */
import {
  add,
  argMax,
  cast,
  div,
  equal,
  greater,
  matMul,
  min,
  mul,
  slice,
  softmax,
  topK,
  transpose,
} from '../../graph/operators/index.ts';
import { inScope, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { importance, metricFor } from '../importance.ts';
import { tokensOf } from '../network-shape.ts';
import type { NetworkShape } from '../network-shape.ts';
import { perPosition, positionsOf } from '../positions.ts';
import { sortTokens } from '../sort.ts';
import { perToken, smallestKept } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import { mergeTravellers, sourceOf, sourceTraveller, splitTokens, withTraveller } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import type { TokenReducer } from '../token-reducer.ts';
import { unitLength } from '../unit-length.ts';
import { excluded } from '../weighted-merge.ts';
import { columnLike } from './keep-decisions.ts';
import type { ReductionMethod } from './method.ts';
import { countPerBlock, perBlockKey, tokensAfterRemoving } from './per-block.ts';

/** Choices of Token Transforming. */
export interface TransformingOptions {
  /** Tokens that go per block; fewer where there are not so many. */
  readonly removed: readonly number[];
  /** How many tokens each of them goes into. */
  readonly partners: number;
  /** Of the softmax over cosines that shares are. */
  readonly temperature: number;
}

/** At least a patch token stays. */
const mostRemoved = (tokens: number, layout: TokenLayout): number => tokens - smallestKept(layout);

/** Token Transforming's reducer. */
export function transforming(
  { removed, partners, temperature }: TransformingOptions,
  { layout, importanceFrom }: Pick<NetworkShape, 'layout' | 'importanceFrom'>,
): TokenReducer {
  return {
    name: 'transforming',
    keySizes: (_, state) => state.size,
    afterAttention(block, state, view) {
      const tokens = sizeAt(state.features, 1);
      const count = Math.min(removed[block] ?? 0, mostRemoved(tokens, layout));
      if (count < 1) return state;
      const sized = { ...state, size: state.size ?? columnLike(state.features, tokens, 1) };
      const sorted = inScope('sort', () => sortTokens(sized, importance(metricFor(importanceFrom), view, layout, 0)));
      return inScope('merge', () => {
        const { first, rest } = splitTokens(sorted, tokens - count);
        const most = Math.min(partners, tokens - count - layout.prefix);
        return giveShares(first, rest, sharesOf(first, rest, most, temperature, layout));
      });
    },
  };
}

/** Shares `[B, K, r]` of each token that goes in those that stay; they sum to 1 over the K. */
function sharesOf(
  staying: TokenState,
  going: TokenState,
  partners: number,
  temperature: number,
  layout: TokenLayout,
): Tensor {
  const count = sizeAt(staying.features, 1);
  const cosines = matMul(unitLength(staying.features), transpose(unitLength(going.features), [0, 2, 1]));
  const allowed = add(cosines, perToken(layout, count, { prefix: () => excluded, grid: () => 0 }));
  const position = perPosition(count, (place) => place);
  if (partners === 1) return cast(equal(positionsOf(argMax(allowed, 1, true), count), position), 'float32');
  const { values, indices } = topK(allowed, partners, true, 1);
  const shares = softmax(mul(values, 1 / temperature), 1);
  const places = positionsOf(indices, count);
  return Array.from({ length: partners }, (_, rank) =>
    mul(cast(equal(slice(places, 1, rank, rank + 1), position), 'float32'), slice(shares, 1, rank, rank + 1)),
  ).reduce(add);
}

function giveShares(
  staying: TokenState & { readonly size?: Tensor | undefined },
  going: TokenState,
  shares: Tensor,
): TokenState {
  const [own, arriving] = [staying.size, going.size] as [Tensor, Tensor];
  const size = add(own, matMul(shares, arriving));
  const features = div(add(mul(staying.features, own), matMul(shares, mul(going.features, arriving))), size);
  const travellers = mergeTravellers(staying.travellers, going.travellers, {
    assignment: shares,
    sourceSize: arriving,
    ownSize: own,
    total: size,
  });
  const merged = { ...staying, features, size, travellers };
  const [source, gone] = [sourceOf(staying), sourceOf(going)];
  if (source === undefined || gone === undefined) return merged;
  const whole = min(add(source, matMul(cast(greater(shares, 0), 'float32'), gone)), 1);
  return withTraveller(merged, sourceTraveller, whole, 'sum');
}

/** `transforming:r=13,partners=3`. */
export const transformingMethod: ReductionMethod = {
  name: 'transforming',
  title: 'Token Transforming (arXiv 2506.05709), in a reading of this library',
  keys: [
    perBlockKey('r', 'tokens that go in every block, a fraction being spread over blocks, or one number per block', 13),
    { name: 'partners', kind: 'integer', meaning: 'tokens that each of them goes into', fallback: 3, min: 1 },
    { name: 'temperature', kind: 'number', meaning: 'of the softmax over cosines', fallback: 0.1, min: 0.001 },
  ],
  needsClassToken: false,
  mergesOnly: true,
  pictureRemark: 'A patch may be part of several tokens.',
  knob: {
    key: 'r',
    min: () => 0,
    max: (network) => mostRemoved(tokensOf(network), network.layout),
    rising: false,
  },
  build(parameters, network) {
    const removed = countPerBlock('transforming', 'r', parameters.numbers('r'), network);
    const options: TransformingOptions = {
      removed,
      partners: parameters.number('partners'),
      temperature: parameters.number('temperature'),
    };
    return {
      reducer: transforming(options, network),
      tokensPerBlock: tokensAfterRemoving(removed, network.layout, mostRemoved),
    };
  },
};
