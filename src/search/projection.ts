/** Any numbers per block made into a schedule that costs the target: whole, falling from block to block, nothing left over. */
import type { Cost } from '../cost/cost.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { LearnerNetwork } from './learners/candidate-learner.ts';

/** What numbers are projected onto. */
export interface Projection {
  readonly network: LearnerNetwork;
  /** Kept numbers of blocks that are not searched. */
  readonly fixed: KeptNumbers;
  readonly cost: Cost;
  readonly target: number;
}

/** Numbers per searched block, before they are made to fit. */
export interface Numbers {
  readonly merged: readonly number[];
  readonly pruned: readonly number[];
}

/** Least tokens after merging: the class token and one destination. */
const smallestKept = 2;
const bisections = 30;

/**
 * Kept numbers at the target's cost: the blocks after the held one are shifted together, and what rounding leaves is spent. Where they alone
 * cannot reach the target, and where none is held, all others are shifted.
 * @param held position among the searched blocks.
 */
export function project(context: Projection, numbers: Numbers, held?: number): KeptNumbers {
  const { cost, target, network } = context;
  const shifted = (offset: number, first: number): KeptNumbers =>
    keptOf(context, {
      ...numbers,
      merged: numbers.merged.map((value, index) => (index === held || index < first ? value : value + offset)),
    });
  const { tokens } = network;
  const reaches = (first: number): boolean =>
    cost.value(shifted(-tokens, first)) <= target && cost.value(shifted(tokens, first)) > target;
  const first = held !== undefined && reaches(held + 1) ? held + 1 : 0;
  let [low, high] = [-tokens, tokens];
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
  return kept;
}

/**
 * A schedule of another budget made one of this: every block removes more, or less, in the same proportion, until the cost is the target.
 * @param numbers of a schedule that removes something.
 */
export function stretch(context: Projection, { merged, pruned }: Numbers): KeptNumbers {
  const { cost, target, network } = context;
  const { tokens } = network;
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

/** Makes numbers fit: integers, no block keeps more than it gets, and what is pruned is not below 0. */
export function keptOf({ network, fixed }: Projection, { merged, pruned }: Numbers): KeptNumbers {
  const kept = { pruneKept: [...fixed.pruneKept], mergeKept: [...fixed.mergeKept] };
  let live = network.tokens;
  network.searched.forEach((block, index) => {
    const out = Math.max(smallestKept, Math.min(live, Math.round(merged[index] ?? live)));
    kept.pruneKept[block] = Math.max(out, live - Math.max(0, Math.round(pruned[index] ?? 0)));
    kept.mergeKept[block] = out;
    live = out;
  });
  return kept;
}

/** Tokens after each searched block, and how many of those that entered it are pruned. */
export function numbersOf({ network }: Projection, kept: KeptNumbers): Numbers {
  let live = network.tokens;
  const merged: number[] = [];
  const pruned: number[] = [];
  for (const block of network.searched) {
    const left = Math.min(live, kept.pruneKept[block] ?? live);
    const out = Math.min(left, kept.mergeKept[block] ?? left);
    pruned.push(live - left);
    merged.push(out);
    live = out;
  }
  return { merged, pruned };
}
