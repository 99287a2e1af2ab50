/**
 * The selection rule with more terms than it has (`src/reduction/dissimilarity.ts`), as one reducer
 * that is written plainly: all pairs of tokens, no candidates, no operator saved.
 */
import {
  add,
  cast,
  div,
  equal,
  gather,
  less,
  matMul,
  max,
  mul,
  pow,
  reduceMax,
  slice,
  softmax,
  sub,
} from '../src/graph/operators/index.ts';
import { topK, transpose, where } from '../src/graph/operators/index.ts';
import { constant, sizeAt } from '../src/graph/tensor.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import type { LoadedModel } from '../src/loading/model-from-files.ts';
import { proportionalLogits, splitHeads } from '../src/nn/attention.ts';
import { layerNorm } from '../src/nn/layer-norm.ts';
import { linear, linearParameters } from '../src/nn/linear.ts';
import { lengths } from '../src/reduction/merge.ts';
import { sumOverHeads } from '../src/reduction/sum-over-heads.ts';
import { perToken } from '../src/reduction/token-layout.ts';
import type { AttendedView, TokenReducer } from '../src/reduction/token-reducer.ts';
import { gatherTokens, splitTokens, withTraveller } from '../src/reduction/token-state.ts';
import type { TokenState } from '../src/reduction/token-state.ts';

/** A form of the rule; exponents are functions of the depth, from 0 to 1. */
export interface SelectionForm {
  readonly power: (share: number) => number;
  readonly weight: (share: number) => number;
  readonly norm: (share: number) => number;
  /** Shares, in a geometric mean, of the next block's class attention and of the former block's. */
  readonly next: number;
  readonly earlier: number;
  /** Share of the attention that a token receives from all. */
  readonly received: number;
  /** Half of the tokens go from even to odd positions, the other half back. */
  readonly twoWay: boolean;
  /** Similarity is weighted by what is little attended to, and by what is small. */
  readonly criteria: boolean;
}

/** The rule as it is. */
export const ownForm: SelectionForm = {
  power: () => 2,
  weight: () => 0.5,
  norm: () => 1,
  next: 0,
  earlier: 0,
  received: 0,
  twoWay: false,
  criteria: false,
};

const perSize = 0.5;
const far = -3e4;
const above = 1e8;

const toRow = (x: Tensor): Tensor => transpose(x, [0, 2, 1]);
const power = (x: Tensor, exponent: number): Tensor => (exponent === 1 ? x : pow(x, exponent));
const mixed = (x: Tensor, other: Tensor, share: number): Tensor => mul(power(x, 1 - share), power(other, share));

/**
 * A reducer for a network with one class token.
 * @param kept tokens after each block.
 */
export function selectionForm(kept: readonly number[], model: LoadedModel, form: SelectionForm): TokenReducer {
  const { depth } = model.network;
  const constantOf = (tokens: number, prefix: number, grid: (position: number) => number): Tensor =>
    perToken({ prefix: 1 }, tokens, { prefix: () => prefix, grid });
  return {
    name: 'selection-form',
    keySizes: (_, state) => state.size,
    afterAttention(block, state, view) {
      const tokens = sizeAt(state.features, 1);
      const own = sumOverHeads(view.classAttention(), 1 / view.heads);
      const former = state.travellers?.['earlier']?.value;
      const seen = form.earlier > 0 ? withTraveller(state, 'earlier', own, 'destination') : state;
      const left = kept[block] ?? tokens;
      if (left >= tokens || block === depth - 1) return seen;
      let attention = own;
      if (form.received > 0) attention = mixed(attention, view.attentionReceived(), form.received);
      if (form.next > 0) attention = mixed(attention, nextAttention(model, block + 1, state, view), form.next);
      if (form.earlier > 0 && former !== undefined) attention = mixed(attention, former, form.earlier);
      const share = block / (depth - 1);
      if (!form.twoWay) return reduced(seen, attention, left, share);
      const marked =
        seen.travellers?.['parity'] === undefined
          ? withTraveller(
              seen,
              'parity',
              add(
                mul(attention, 0),
                constantOf(tokens, 0, (at) => at % 2),
              ),
              'destination',
            )
          : seen;
      const first = withTraveller(marked, 'attention', attention, 'destination');
      const half = tokens - Math.floor((tokens - left) / 2);
      const after = half < tokens ? reduced(first, attention, half, share, 0) : first;
      const rest = after.travellers?.['attention']?.value ?? attention;
      return left < half ? reduced(after, rest, left, share, 1) : after;
    },
  };

  /** @param from parity of the tokens that may go, to those of the other one. */
  function reduced(state: TokenState, attention: Tensor, left: number, share: number, from?: number): TokenState {
    const tokens = sizeAt(state.features, 1);
    const size = state.size ?? add(mul(attention, 0), 1);
    const alpha = div(attention, power(size, perSize));
    const living = add(
      alpha,
      constantOf(tokens, 4e4, () => 0),
    );
    const direction = div(state.features, lengths(state.features));
    const similarity = weighed(matMul(direction, toRow(direction)), attention, size);
    const others = toRow(
      add(
        alpha,
        constantOf(tokens, -4e4, () => 0),
      ),
    );
    const parity = state.travellers?.['parity']?.value;
    const allowed =
      from === undefined || parity === undefined
        ? less(living, others)
        : less(sub(others, others), ofOther(parity, from));
    const nearest = reduceMax(where(allowed, similarity, -1), [2], true);
    const distance = max(sub(1, nearest), 0);
    const worth = mul(mul(alpha, size), power(distance, form.power(share)));
    const mayGo =
      from === undefined || parity === undefined ? worth : add(worth, mul(ofOther(parity, from, true), above));
    const order = topK(
      add(
        mayGo,
        constantOf(tokens, 2 * above, () => 0),
      ),
      tokens,
      true,
      1,
    ).indices;
    const weight = mul(size, power(add(alpha, 1e-12), form.weight(share)));
    const sorted = gatherTokens(withTraveller({ ...state, size }, 'weight', weight, 'sum'), order);
    const { first, rest } = splitTokens(sorted, left);
    return merged(first, rest, share, from);
  }

  /** 1 where a token is of the other parity than `from`, by column; by row with `column`. */
  function ofOther(parity: Tensor, from: number, column = false): Tensor {
    const other = from === 0 ? parity : sub(1, parity);
    const grid = mul(
      other,
      constantOf(sizeAt(parity, 1), 0, () => 1),
    );
    return column ? grid : toRow(grid);
  }

  /** MCTF's similarity (CVPR 2024), with powers of how little attention and how few patches. */
  function weighed(cosines: Tensor, attention: Tensor, size: Tensor): Tensor {
    if (!form.criteria) return cosines;
    const little = (x: Tensor): Tensor => {
      const inverse = div(1, add(x, 1e-12));
      const grid = mul(
        inverse,
        constantOf(sizeAt(x, 1), 0, () => 1),
      );
      return max(div(grid, reduceMax(grid, [1], true)), 1e-12);
    };
    const factor = mul(power(little(attention), 1 / 20), power(little(size), 1 / 40));
    return mul(mul(div(add(cosines, 1), 2), factor), toRow(factor));
  }

  function merged(first: TokenState, rest: TokenState, share: number, from?: number): TokenState {
    const left = sizeAt(first.features, 1);
    const [own, going] = [first, rest].map(({ features }) => div(features, lengths(features))) as [Tensor, Tensor];
    const blocked = toRow(constantOf(left, far, () => 0));
    const parity = first.travellers?.['parity']?.value;
    const wrong =
      from === undefined || parity === undefined ? blocked : add(blocked, mul(sub(1, ofOther(parity, from)), far));
    const products = add(matMul(going, toRow(own)), wrong);
    const assignment = toRow(cast(equal(products, reduceMax(products, [2], true)), 'float32'));
    const joined = (one: Tensor, other: Tensor): Tensor => add(one, matMul(assignment, other));
    const { weight, ...travellers } = first.travellers ?? {};
    const [ownWeight, goingWeight] = [weight?.value, rest.travellers?.['weight']?.value] as [Tensor, Tensor];
    const mean = div(
      joined(mul(first.features, ownWeight), mul(rest.features, goingWeight)),
      joined(ownWeight, goingWeight),
    );
    const features = mul(mean, power(div(lengths(first.features), lengths(mean)), form.norm(share)));
    return { features, size: joined(first.size as Tensor, rest.size as Tensor), travellers };
  }
}

/** Class attention `[B, N, 1]` of the block that comes, as if its tokens were those of now. */
function nextAttention(model: LoadedModel, block: number, state: TokenState, { heads }: AttendedView): Tensor {
  const { network, parameters } = model;
  const { width } = network;
  const normalized = layerNorm(state.features, parameters, `blocks.${block}.norm1`, width, 1e-6);
  const { weight, bias } = linearParameters(parameters, `blocks.${block}.attn.qkv`, width, 3 * width);
  const part = (index: number) => ({
    weight: slice(weight, 0, index * width, (index + 1) * width),
    bias: bias && slice(bias, 0, index * width, (index + 1) * width),
  });
  const queries = splitHeads(linear(slice(normalized, 1, 0, 1), part(0)), heads);
  const keys = splitHeads(linear(normalized, part(1)), heads);
  const probabilities = softmax(proportionalLogits(queries, keys, state.size));
  return sumOverHeads(gather(probabilities, constant(BigInt64Array.of(0n), [], 'int64'), 2), 1 / heads);
}
