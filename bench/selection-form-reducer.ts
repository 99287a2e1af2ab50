/** A form of the selection rule as a reducer, which asks the model for what the rule needs not. */
import { add, mul, pow } from '../src/graph/operators/index.ts';
import { sizeAt } from '../src/graph/tensor.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import type { LoadedModel } from '../src/loading/model-from-files.ts';
import { sumOverHeads } from '../src/reduction/sum-over-heads.ts';
import type { AttendedView, FusedTokens, MapView, TokenReducer } from '../src/reduction/token-reducer.ts';
import { takeTraveller, withTraveller } from '../src/reduction/token-state.ts';
import type { TokenState } from '../src/reduction/token-state.ts';
import { classAttentionOf, classRow, gatheredBy } from './selection-form-attention.ts';
import { constantOf, decidedTraveller, reduced } from './selection-form-choice.ts';
import type { FormChoice } from './selection-form-choice.ts';
import type { SelectionForm } from './selection-form.ts';

const mixed = (x: Tensor, other: Tensor, share: number): Tensor => mul(pow(x, 1 - share), pow(other, share));

/**
 * A reducer for a network with one class token.
 * @param kept tokens after each block.
 */
export function selectionForm(kept: readonly number[], model: LoadedModel, form: SelectionForm): TokenReducer {
  const { depth } = model.network;
  /** Tokens that a block leaves; nothing where it removes none, or only the class token is read. */
  const leftIn = (block: number, state: TokenState): number | undefined => {
    const tokens = sizeAt(state.features, 1);
    const left = kept[block] ?? tokens;
    return left >= tokens || block === depth - 1 ? undefined : left;
  };
  const choiceOf = (block: number, left: number, attention: Tensor): FormChoice => ({
    form,
    attention,
    left,
    share: block / (depth - 1),
  });
  const base: TokenReducer = { name: 'selection-form', keySizes: (_, state) => state.size };
  switch (form.attending) {
    case 'all':
      return { ...base, afterAttention };
    case 'mean query':
    case 'own query':
      return { ...base, fuse };
    default:
      return {
        ...base,
        beforeBlock: (block, state) =>
          leftIn(block, state) === undefined
            ? state
            : withTraveller(state, decidedTraveller, state.features, 'destination'),
        afterAttention: (block, state, view) =>
          takeTraveller(afterAttention(block, state, view), decidedTraveller).state,
      };
  }

  function afterAttention(block: number, state: TokenState, view: AttendedView): TokenState {
    const own = sumOverHeads(view.classAttention(), 1 / view.heads);
    const former = state.travellers?.['earlier']?.value;
    const seen = form.earlier > 0 ? withTraveller(state, 'earlier', own, 'destination') : state;
    const left = leftIn(block, state);
    if (left === undefined) return seen;
    let attention = own;
    if (form.received > 0) attention = mixed(attention, view.attentionReceived(), form.received);
    if (form.next > 0) {
      const next = classAttentionOf({ model, block: block + 1, heads: view.heads }, state);
      attention = mixed(attention, next, form.next);
    }
    if (form.earlier > 0 && former !== undefined) attention = mixed(attention, former, form.earlier);
    const choice = choiceOf(block, left, attention);
    return form.twoWay ? reducedBothWays(seen, choice) : reduced(seen, choice);
  }

  /** Tokens merge before they attend, and read keys and values of all that entered. */
  function fuse(block: number, state: TokenState, { heads, probabilities }: MapView): FusedTokens | undefined {
    const left = leftIn(block, state);
    if (left === undefined) return undefined;
    const entering = withTraveller(state, decidedTraveller, state.features, 'destination');
    const choice = choiceOf(block, left, classRow(probabilities()));
    const { state: fused, value: own } = takeTraveller(reduced(entering, choice), decidedTraveller);
    const asking = form.attending === 'own query' && own !== undefined ? own : fused.features;
    return { state: fused, attend: () => gatheredBy({ model, block, heads }, asking, state) };
  }
}

/** Half of the tokens go from even to odd positions, the other half back. */
function reducedBothWays(state: TokenState, choice: FormChoice): TokenState {
  const { attention, left } = choice;
  const tokens = sizeAt(state.features, 1);
  const parity = (): Tensor =>
    add(
      mul(attention, 0),
      constantOf(tokens, 0, (at) => at % 2),
    );
  const marked =
    state.travellers?.['parity'] === undefined ? withTraveller(state, 'parity', parity(), 'destination') : state;
  const first = withTraveller(marked, 'attention', attention, 'destination');
  const half = tokens - Math.floor((tokens - left) / 2);
  const after = half < tokens ? reduced(first, { ...choice, left: half, from: 0 }) : first;
  const rest = after.travellers?.['attention']?.value ?? attention;
  return left < half ? reduced(after, { ...choice, attention: rest, from: 1 }) : after;
}
