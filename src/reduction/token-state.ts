/**
 * What flows through the blocks of a network whose tokens are reduced: features, and what travels
 * with each token.
 */
import { add, concat, div, gatherND, matMul, mul, split } from '../graph/operators/index.ts';
import { sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { leadingTokens } from './token-layout.ts';

/**
 * What becomes of a traveller where tokens merge:
 * - `sum`: the destination's and all that come (source maps);
 * - `mean`: the mean weighted by sizes (angles, coordinates);
 * - `destination`: the destination's own stays (an index, what a method remembers).
 */
export type TravellerRule = 'sum' | 'mean' | 'destination';

/** Something that every token carries along. */
export interface Traveller {
  /** `[B, N, …]` */
  readonly value: Tensor;
  readonly merging: TravellerRule;
}

/** Travellers by name. */
export type Travellers = Readonly<Record<string, Traveller>>;

/** What a selection rule has chosen, for pictures of it. */
export interface SelectedTokens {
  /** Source map `[B, N, N0]` of the tokens that it chose among. */
  readonly source: Tensor;
  /** `[B, N, 1]`: their attention per size, that of prefix tokens above all. */
  readonly attention: Tensor;
  /** int64 `[B, R, 1]`: positions of those that went. */
  readonly gone: Tensor;
}

/** The tokens at one place of the network. */
export interface TokenState {
  /** `[B, N, C]`, the residual stream. */
  readonly features: Tensor;
  /**
   * `[B, N, 1]`: how many patches a token stands for, similarity-scaled in DiffRate; absent while
   * every token has size 1.
   */
  readonly size?: Tensor | undefined;
  /**
   * `[B, N, 1]`, 0 or 1: whether a token is still there; only while searching or where counts
   * differ per image.
   */
  readonly mask?: Tensor | undefined;
  /** What tokens carry along: the source map, positions, what a method remembers. */
  readonly travellers?: Travellers | undefined;
  /** Tokens that skip blocks and come back later (Evo-ViT's placeholders). */
  readonly aside?: TokenState | undefined;
  /** What a selection rule has chosen last; only where sources are traced. */
  readonly selected?: SelectedTokens | undefined;
}

/**
 * Name of the source map among the travellers: `[B, N, N0]`, 0 or 1, which input tokens went into a
 * token.
 */
export const sourceTraveller = 'source';

/** The source map of a state whose network or tracer asked for one. */
export function sourceOf({ travellers }: TokenState): Tensor | undefined {
  return travellers?.[sourceTraveller]?.value;
}

/** The state with one traveller more, or another value of it. */
export function withTraveller(state: TokenState, name: string, value: Tensor, merging: TravellerRule): TokenState {
  return { ...state, travellers: { ...state.travellers, [name]: { value, merging } } };
}

/** The state without one of its travellers, and that one's value. */
export function takeTraveller(
  state: TokenState,
  name: string,
): { readonly state: TokenState; readonly value?: Tensor } {
  const { [name]: taken, ...others } = state.travellers ?? {};
  if (taken === undefined) return { state };
  const { travellers: _, ...rest } = state;
  return { state: Object.keys(others).length === 0 ? rest : { ...rest, travellers: others }, value: taken.value };
}

/** Applies a function to every traveller. */
export function mapTravellers(
  travellers: Travellers | undefined,
  change: (value: Tensor, name: string) => Tensor,
): Travellers | undefined {
  if (travellers === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(travellers).map(([name, { value, merging }]) => [name, { value: change(value, name), merging }]),
  );
}

/**
 * Applies a function to everything that is known of the tokens; tokens that stand aside stay as
 * they are.
 */
export function mapState(state: TokenState, change: (tensor: Tensor) => Tensor): TokenState {
  const maybe = (tensor: Tensor | undefined): Tensor | undefined => (tensor === undefined ? undefined : change(tensor));
  return {
    features: change(state.features),
    size: maybe(state.size),
    mask: maybe(state.mask),
    ...(state.travellers === undefined ? {} : { travellers: mapTravellers(state.travellers, change) }),
    ...(state.aside === undefined ? {} : { aside: state.aside }),
  };
}

/** Applies a function to two states of the same kind, member by member. */
export function joinStates(
  first: TokenState,
  second: TokenState,
  join: (first: Tensor, second: Tensor) => Tensor,
): TokenState {
  const maybe = (a: Tensor | undefined, b: Tensor | undefined): Tensor | undefined =>
    a === undefined || b === undefined ? undefined : join(a, b);
  const travellers = mapTravellers(first.travellers, (value, name) => {
    const other = second.travellers?.[name];
    return other === undefined ? value : join(value, other.value);
  });
  return {
    features: join(first.features, second.features),
    size: maybe(first.size, second.size),
    mask: maybe(first.mask, second.mask),
    ...(travellers === undefined ? {} : { travellers }),
    ...(first.aside === undefined ? {} : { aside: first.aside }),
  };
}

/** The tokens of one state and then those of another. */
export function concatStates(first: TokenState, second: TokenState): TokenState {
  return joinStates(first, second, (a, b) => concat([a, b], 1));
}

/** Who merges into whom, and what each weighs. */
export interface Arrivals {
  /** `[B, K, S]`: 1 where a source joins a destination. */
  readonly assignment: Tensor;
  /** `[B, S, 1]` and `[B, K, 1]`: what tokens weigh in a mean; absent where all weigh the same. */
  readonly sourceSize?: Tensor | undefined;
  readonly ownSize?: Tensor | undefined;
  /** `[B, K, 1]`: what a destination and all that comes weigh together. */
  readonly total: Tensor;
}

/**
 * Travellers of destinations after sources have joined them, each by its rule. Values have three
 * axes where they are combined.
 */
export function mergeTravellers(
  destinations: Travellers | undefined,
  sources: Travellers | undefined,
  { assignment, sourceSize, ownSize, total }: Arrivals,
): Travellers | undefined {
  if (destinations === undefined) return undefined;
  const combined = ({ value, merging }: Traveller, arriving: Tensor | undefined): Tensor => {
    if (merging === 'destination' || arriving === undefined) return value;
    if (merging === 'sum') return add(value, matMul(assignment, arriving));
    const weighted = sourceSize === undefined ? arriving : mul(arriving, sourceSize);
    const own = ownSize === undefined ? value : mul(value, ownSize);
    return div(add(own, matMul(assignment, weighted)), total);
  };
  return Object.fromEntries(
    Object.entries(destinations).map(([name, traveller]) => [
      name,
      { value: combined(traveller, sources?.[name]?.value), merging: traveller.merging },
    ]),
  );
}

/** Chooses and orders tokens of a state: `indices [B, P, 1]` int64. */
export function gatherTokens(state: TokenState, indices: Tensor): TokenState {
  return mapState(state, (tensor) => gatherND(tensor, indices));
}

/** The first `count` tokens of a state and the rest. */
export function splitTokens(state: TokenState, count: number): { first: TokenState; rest: TokenState } {
  const total = sizeAt(state.features, 1);
  const parts = new Map<Tensor, readonly Tensor[]>();
  const part = (tensor: Tensor, index: number): Tensor => {
    const both = parts.get(tensor) ?? split(tensor, 1, [count, total - count]);
    parts.set(tensor, both);
    return both[index] as Tensor;
  };
  return { first: mapState(state, (tensor) => part(tensor, 0)), rest: mapState(state, (tensor) => part(tensor, 1)) };
}

/** The first `count` tokens of a state. */
export function firstTokens(state: TokenState, count: number): TokenState {
  return mapState(state, (tensor) => leadingTokens(tensor, count));
}
