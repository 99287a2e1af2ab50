/**
 * MCTF's bidirectional matching (arXiv 2403.10030; mlvlab/MCTF). Tokens at even positions (A) and
 * at odd ones (B) have a score for every pair. First each A takes its best B, and the best A's go
 * into their B's. Then each B takes its best of the A's that stayed, and the best B's go into their
 * A's, with all that they have received. Prefix tokens take no part. With one direction there is no
 * second round. Every token's last destination is worked out here, so that features move once.
 */
import {
  add,
  argMax,
  cast,
  concat,
  equal,
  gatherND,
  matMul,
  mul,
  reduceMax,
  reduceSum,
  reshape,
  slice,
  sub,
  topK,
} from '../graph/operators/index.ts';
import { dimensionAt, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { asRow, flagsAt, lookUp, perPosition, positionsOf } from './positions.ts';
import { groupsOf } from './token-groups.ts';
import type { TokenGroups } from './token-groups.ts';
import type { TokenLayout } from './token-layout.ts';
import { excluded } from './weighted-merge.ts';

/** How many tokens go in each round; one of them is not 0. */
export interface Rounds {
  readonly first: number;
  readonly second: number;
  /** Whether both directions are looked at: then scores of the second set the order of the B's. */
  readonly both: boolean;
}

/** One round: the A's look for B's, or the B's for A's. */
interface Round {
  /** `[B, count, 1]`: the best score of each token that looks. */
  readonly best: Tensor;
  /** Float `[B, count, 1]`: the position of the token that it belongs to. */
  readonly partner: Tensor;
  /** `[B, count, 1]`: 1 where the token goes. */
  readonly flags: Tensor;
}

/**
 * Groups by scores `[B, |A|, |B|]` from 0 to 1. What is left is in the order of the authors' code:
 * prefix tokens, A's by position, B's by falling best score of the second round; in one direction
 * B's by position.
 */
export function matchBothWays(score: Tensor, rounds: Rounds, layout: TokenLayout): TokenGroups {
  const [even, odd] = [sizeAt(score, 1), sizeAt(score, 2)];
  const tokens = even + odd;
  const rows = perPosition(even, (index) => (2 * index < layout.prefix ? excluded : 0));
  const columns = perPosition(odd, (index) => (2 * index + 1 < layout.prefix ? excluded : 0));
  const scores = add(score, layout.prefix > 1 ? add(rows, asRow(columns)) : rows);
  const first = matchTokens(scores, rounds.first, 0);
  const staying = add(scores, mul(first.flags, excluded));
  const second = matchTokens(staying, rounds.second, 1);
  const rank = rankOf(first, second, rounds.both, layout);
  const goes = rounds.first + rounds.second;
  const kept = topK(rank, tokens - goes, true, 1).indices;
  const joining = topK(rank, goes, false, 1).indices;
  const wanted = gatherND(interleaved(first.partner, second.partner), joining);
  const hasBoth = rounds.first > 0 && rounds.second > 0;
  const destinations = hasBoth ? lastDestinations(wanted, positionsOf(joining, tokens)) : wanted;
  return groupsOf(kept, joining, destinations, tokens);
}

/**
 * The best `count` A's go into their best B's, or the other way round. Nothing is transposed: that
 * would reach the indices, which WebGPU does not transpose.
 * @param offset 0 where A's go, 1 where B's do.
 */
function matchTokens(scores: Tensor, count: number, offset: 0 | 1): Round {
  const [own, other] = offset === 0 ? [1, 2] : [2, 1];
  const tokens = sizeAt(scores, own);
  const asColumn = (x: Tensor): Tensor => reshape(x, [dimensionAt(x, 0), tokens, 1]);
  const best = asColumn(reduceMax(scores, [other], true));
  const partner = lookUp(argMax(scores, other, true), sizeAt(scores, other), (index) => 2 * index + 1 - offset);
  return {
    best,
    partner: asColumn(partner),
    flags: count === 0 ? mul(best, 0) : flagsAt(positionsOf(topK(best, count, true, 1).indices, tokens), tokens),
  };
}

/**
 * `[B, N, 1]`, larger comes first, below 0 what goes. Ranks of A's are whole numbers and those of
 * B's their own scores, so that close scores stay different.
 */
function rankOf(first: Round, second: Round, both: boolean, { prefix }: TokenLayout): Tensor {
  const [even, odd] = [sizeAt(first.best, 1), sizeAt(second.best, 1)];
  const tokens = even + odd;
  const goes = 8 * tokens;
  const prefixRank = (position: number): number => 4 * tokens - position;
  const ofEven = perPosition(even, (index) => (2 * index < prefix ? prefixRank(2 * index) : 2 * tokens - 2 * index));
  const oddPrefix = (index: number): boolean => 2 * index + 1 < prefix;
  const inOrder = perPosition(odd, (index) => (oddPrefix(index) ? prefixRank(2 * index + 1) : 1 - index / odd));
  const byScore = (): Tensor =>
    prefix < 2
      ? second.best
      : add(
          mul(
            second.best,
            perPosition(odd, (index) => (oddPrefix(index) ? 0 : 1)),
          ),
          perPosition(odd, (index) => (oddPrefix(index) ? prefixRank(2 * index + 1) : 0)),
        );
  return interleaved(sub(ofEven, mul(first.flags, goes)), sub(both ? byScore() : inOrder, mul(second.flags, goes)));
}

/** `[B, N, 1]` from the columns of even positions and of odd ones. */
function interleaved(even: Tensor, odd: Tensor): Tensor {
  const [batch, pairs] = [dimensionAt(even, 0), sizeAt(odd, 1)];
  const isLonger = sizeAt(even, 1) > pairs;
  const paired = concat([isLonger ? slice(even, 1, 0, pairs) : even, odd], 2);
  const joined = reshape(paired, [batch, 2 * pairs, 1]);
  return isLonger ? concat([joined, slice(even, 1, pairs, pairs + 1)], 1) : joined;
}

/** Where a token ends whose destination goes on in the second round: all float `[B, r, 1]`. */
function lastDestinations(wanted: Tensor, joining: Tensor): Tensor {
  const goesOn = cast(equal(wanted, asRow(joining)), 'float32');
  const moved = reduceSum(goesOn, [2], true);
  return add(mul(wanted, sub(1, moved)), matMul(goesOn, wanted));
}
