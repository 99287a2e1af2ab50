/**
 * Any numbers per block made into a schedule that costs the target: whole, falling from block to
 * block, nothing left over.
 */
import type { Cost } from '../cost/cost.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { SearchSpace } from '../reduction/search-space.ts';
import { smallestKept, tokenCount } from '../reduction/token-layout.ts';

/** What numbers are projected onto. */
export interface Projection {
  readonly space: SearchSpace;
  readonly cost: Cost;
  readonly target: number;
}

/** Numbers per searched block, before they are made to fit. */
export interface Numbers {
  readonly merged: readonly number[];
  readonly pruned: readonly number[];
}

const bisections = 30;

/**
 * Kept numbers at the target's cost: the blocks after the held one are shifted together, and what
 * rounding leaves is spent. Where they alone cannot reach the target, and where none is held, all
 * others are shifted.
 * @param held position among the searched blocks.
 */
export function project(context: Projection, numbers: Numbers, held?: number): KeptNumbers {
  const { cost, target, space } = context;
  const shifted = (offset: number, first: number): KeptNumbers =>
    keptOf(context, {
      ...numbers,
      merged: numbers.merged.map((value, index) => (index === held || index < first ? value : value + offset)),
    });
  const tokens = tokenCount(space.layout);
  const reaches = (first: number): boolean =>
    cost.value(shifted(-tokens, first)) <= target && cost.value(shifted(tokens, first)) > target;
  const first = held !== undefined && reaches(held + 1) ? held + 1 : 0;
  // Numbers on a line that was followed far can be below 0, or more than there are tokens.
  let [low, high] = [-tokens, tokens - Math.min(0, ...numbers.merged)];
  if (cost.value(shifted(low, first)) > target) low -= Math.max(0, ...numbers.merged);
  for (let step = 0; step < bisections; step++) {
    const middle = (low + high) / 2;
    if (cost.value(shifted(middle, first)) > target) high = middle;
    else low = middle;
  }
  let kept = shifted(low, first);
  for (let index = numbers.merged.length - 1; index >= first; index--) {
    const more = keptOf(context, {
      ...numbersOf(context, kept),
      merged: numbersOf(context, kept).merged.map((value, at) => (at === index ? value + 1 : value)),
    });
    if (index !== held && cost.value(more) <= target) kept = more;
  }
  return withFreeTokens(context, kept, (index) => index >= first && index !== held);
}

/**
 * The schedule with all further tokens that cost nothing: where the cost has steps, there is room
 * on them.
 * @param mayGrow whether the number at this position among the searched blocks may.
 */
export function withFreeTokens(
  context: Projection,
  kept: KeptNumbers,
  mayGrow: (index: number) => boolean = () => true,
): KeptNumbers {
  const { cost, space } = context;
  let best = kept;
  for (const index of space.searched.keys()) {
    let grows = mayGrow(index);
    while (grows) {
      const { merged, pruned } = numbersOf(context, best);
      const wanted = (merged[index] as number) + 1;
      const more = keptOf(context, { pruned, merged: merged.with(index, wanted) });
      grows = numbersOf(context, more).merged[index] === wanted && cost.value(more) <= cost.value(best);
      if (grows) best = more;
    }
  }
  return best;
}

/**
 * A schedule of another budget made one of this: every block removes more, or less, in the same
 * proportion, until the cost is the target.
 * @param numbers of a schedule that removes something.
 */
export function stretch(context: Projection, { merged, pruned }: Numbers): KeptNumbers {
  const { cost, target, space } = context;
  const tokens = tokenCount(space.layout);
  const stretched = (factor: number): Numbers => ({
    merged: merged.map((value) => tokens - factor * (tokens - value)),
    pruned: pruned.map((value) => factor * value),
  });
  let [low, high] = [0, tokens];
  for (let step = 0; step < bisections; step++) {
    const middle = (low + high) / 2;
    if (cost.value(keptOf(context, stretched(middle))) > target) low = middle;
    else high = middle;
  }
  return project(context, stretched(high));
}

/**
 * Makes numbers fit: integers, no block keeps more than it gets, and what is pruned is not below 0;
 * nothing is, where tokens only merge.
 */
export function keptOf({ space }: Projection, { merged, pruned }: Numbers): KeptNumbers {
  const { layout, fixed, searched, mergeOnly } = space;
  const kept = { pruneKept: [...fixed.pruneKept], mergeKept: [...fixed.mergeKept] };
  const least = smallestKept(layout);
  let live = tokenCount(layout);
  searched.forEach((block, index) => {
    const out = Math.max(least, Math.min(live, Math.round(merged[index] ?? live)));
    const gone = mergeOnly ? 0 : Math.max(0, Math.round(pruned[index] ?? 0));
    kept.pruneKept[block] = Math.max(out, live - gone);
    kept.mergeKept[block] = out;
    live = out;
  });
  return kept;
}

/** Tokens after each searched block, and how many of those that entered it are pruned. */
export function numbersOf({ space }: Projection, kept: KeptNumbers): Numbers {
  let live = tokenCount(space.layout);
  const merged: number[] = [];
  const pruned: number[] = [];
  for (const block of space.searched) {
    const left = Math.min(live, kept.pruneKept[block] ?? live);
    const out = Math.min(left, kept.mergeKept[block] ?? left);
    pruned.push(live - left);
    merged.push(out);
    live = out;
  }
  return { merged, pruned };
}
