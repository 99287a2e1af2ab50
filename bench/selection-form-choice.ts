/** Who goes, who joins whom, and what becomes of them, by a form of the selection rule. */
import {
  add,
  cast,
  div,
  equal,
  less,
  matMul,
  max,
  mul,
  pow,
  reduceMax,
  sub,
  topK,
  transpose,
  where,
} from '../src/graph/operators/index.ts';
import { sizeAt } from '../src/graph/tensor.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { lengths } from '../src/reduction/merge.ts';
import { perToken } from '../src/reduction/token-layout.ts';
import { gatherTokens, splitTokens, withTraveller } from '../src/reduction/token-state.ts';
import type { TokenState } from '../src/reduction/token-state.ts';
import type { SelectionForm } from './selection-form.ts';

/** What a choice is made by, besides the tokens. */
export interface FormChoice {
  readonly form: SelectionForm;
  /** Class attention, or what it is mixed to, `[B, N, 1]`. */
  readonly attention: Tensor;
  /** Tokens that are left. */
  readonly left: number;
  /** Depth of the block, from 0 to 1. */
  readonly share: number;
  /**
   * Parity of the tokens that may go, to those of the other one; any token may without it. The
   * traveller `parity` has each token's.
   */
  readonly from?: number | undefined;
}

/** Traveller with the tokens that are decided by, where these are not the features. */
export const decidedTraveller = 'decided';

const perSize = 0.5;
const far = -3e4;
const above = 1e8;

const toRow = (x: Tensor): Tensor => transpose(x, [0, 2, 1]);
const power = (x: Tensor, exponent: number): Tensor => (exponent === 1 ? x : pow(x, exponent));

/** `[1, N, 1]` of one class token and the grid. */
export function constantOf(tokens: number, prefix: number, grid: (position: number) => number): Tensor {
  return perToken({ prefix: 1 }, tokens, { prefix: () => prefix, grid });
}

/** The state with `left` tokens: the others have joined them, or are pruned. */
export function reduced(state: TokenState, choice: FormChoice): TokenState {
  const { form, attention, left, share, from } = choice;
  const tokens = sizeAt(state.features, 1);
  const size = state.size ?? add(mul(attention, 0), 1);
  const alpha = div(attention, power(size, perSize));
  const marked = (prefix: number): Tensor =>
    add(
      alpha,
      constantOf(tokens, prefix, () => 0),
    );
  const direction = directionOf(state);
  const similarity = weighed(matMul(direction, toRow(direction)), attention, size, form);
  const parity = from === undefined ? undefined : state.travellers?.['parity']?.value;
  const others = toRow(marked(-4e4));
  const allowed = parity === undefined ? less(marked(4e4), others) : less(sub(others, others), ofOther(parity, from));
  const nearest = reduceMax(where(allowed, similarity, -1), [2], true);
  const worth = mul(mul(alpha, size), power(max(sub(1, nearest), 0), form.power(share)));
  const mayGo = parity === undefined ? worth : add(worth, mul(ofOther(parity, from, true), above));
  const first = constantOf(tokens, 2 * above, () => 0);
  const order = topK(add(mayGo, first), tokens, true, 1).indices;
  const weight = mul(size, power(add(alpha, 1e-12), form.weight(share)));
  const sorted = gatherTokens(withTraveller({ ...state, size }, 'weight', weight, 'sum'), order);
  return merged(splitTokens(sorted, left), choice);
}

/** Directions of what is decided by. */
function directionOf(state: TokenState): Tensor {
  const decided = decidedOf(state);
  return div(decided, lengths(decided));
}

function decidedOf({ features, travellers }: TokenState): Tensor {
  return travellers?.[decidedTraveller]?.value ?? features;
}

/** 1 where a token is of the other parity than `from`, by column; by row with `column`. */
function ofOther(parity: Tensor, from: number | undefined, column = false): Tensor {
  const other = from === 0 ? parity : sub(1, parity);
  const grid = mul(
    other,
    constantOf(sizeAt(parity, 1), 0, () => 1),
  );
  return column ? grid : toRow(grid);
}

/** MCTF's similarity (CVPR 2024), with powers of how little attention and how few patches. */
function weighed(cosines: Tensor, attention: Tensor, size: Tensor, { criteria }: SelectionForm): Tensor {
  if (!criteria) return cosines;
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

/** The tokens that stay, after those that go have joined them. */
function merged(
  { first, rest }: { readonly first: TokenState; readonly rest: TokenState },
  { form, share, from }: FormChoice,
): TokenState {
  const assignment = assignmentOf(first, rest, form, from);
  const joined = (one: Tensor, other: Tensor): Tensor => add(one, matMul(assignment, other));
  const { weight, ...travellers } = first.travellers ?? {};
  const [ownWeight, goingWeight] = [weight?.value, rest.travellers?.['weight']?.value] as [Tensor, Tensor];
  const sumOf = (value: (state: TokenState) => Tensor): Tensor =>
    joined(mul(value(first), ownWeight), mul(value(rest), goingWeight));
  const total = joined(ownWeight, goingWeight);
  const measured =
    form.attending === 'merged rows, lengths of before' ? decidedOf : (state: TokenState) => state.features;
  const length = lengths(sumOf(measured));
  const coherence = div(
    length,
    sumOf((state) => lengths(measured(state))),
  );
  const kept = power(div(mul(lengths(measured(first)), total), length), form.norm(share));
  const features = mul(
    div(
      sumOf((state) => state.features),
      total,
    ),
    kept,
  );
  const sizes = joined(first.size as Tensor, rest.size as Tensor);
  const size = form.coherence === 0 ? sizes : max(mul(sizes, power(coherence, form.coherence)), 1);
  return { features, size, travellers };
}

/** `[B, K, R]`: 1 where a token that goes joins one that stays. */
function assignmentOf(first: TokenState, rest: TokenState, form: SelectionForm, from: number | undefined): Tensor {
  const left = sizeAt(first.features, 1);
  const blocked = toRow(constantOf(left, far, () => 0));
  const parity = from === undefined ? undefined : first.travellers?.['parity']?.value;
  const wrong = parity === undefined ? blocked : add(blocked, mul(sub(1, ofOther(parity, from)), far));
  const products = add(matMul(directionOf(rest), toRow(directionOf(first))), wrong);
  const nearest = reduceMax(products, [2], true);
  const chosen = cast(equal(products, nearest), 'float32');
  return toRow(form.pruneBelow > -1 ? where(less(nearest, form.pruneBelow), 0, chosen) : chosen);
}
