/**
 * A discrete local search on kept numbers, after the gradients: what the compressed network really answers decides.
 *
 * One block's number is moved by some tokens, all others are shifted together until the cost is again just the target, and the two
 * schedules race on the calibration images (Maron & Moore, "Hoeffding races", 1993, with paired differences): the challenger is
 * dropped at the first look at which it is not better, so that most moves cost an eighth of the set. Steps get smaller when few
 * moves still help. The number of image passes is the budget, so the same seed gives the same schedule.
 */
import type { Cost } from '../cost/cost.ts';
import { RandomGenerator } from '../data/random.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { LearnerNetwork } from './learners/candidate-learner.ts';
import type { RefinementRecipe } from './presets.ts';

/** Where the search stands: everything that the next move depends on. */
export interface LocalSearchState {
  /** Tokens after each searched block, and how many of those that entered it are pruned instead of merged. */
  readonly merged: readonly number[];
  readonly pruned: readonly number[];
  readonly step: number;
  readonly passes: number;
  readonly sweep: number;
  /** Moves of this sweep done and accepted. */
  readonly moves: number;
  readonly accepted: number;
  /** Schedules that need not be tried again. */
  readonly tried: readonly string[];
}

/** What the search tells after each move. */
export interface LocalSearchProgress {
  readonly state: LocalSearchState;
  readonly kept: KeptNumbers;
  /** Mean loss of the best schedule on the calibration images, in nats. */
  readonly loss: number;
}

/** What surrounds the search. */
export interface LocalSearchContext {
  readonly network: LearnerNetwork;
  /** Kept numbers of blocks that are not searched. */
  readonly fixed: KeptNumbers;
  readonly cost: Cost;
  readonly target: number;
  readonly recipe: RefinementRecipe;
  /** Images that go through compressed networks, in all: the length of the search. */
  readonly passes: number;
  readonly seed: number;
}

/** One schedule's losses, computed as far as they are needed (`Candidate`). */
export interface ScheduleLosses {
  /** Per image in nats, up to `done`. */
  readonly losses: Float64Array;
  readonly done: number;
  /** Computes the losses of the images up to `end`. */
  runTo(end: number): Promise<void>;
  /** Mean loss of the images done. */
  mean(): number;
  dispose(): Promise<void>;
}

/** What schedules are compared on (`CalibrationSet`). */
export interface ComparedImages {
  readonly size: number;
  /** A network with these kept numbers; dispose it. */
  candidate(kept: KeptNumbers): Promise<ScheduleLosses>;
}

/** Numbers per searched block, before they are made to fit. */
interface Numbers {
  readonly merged: readonly number[];
  readonly pruned: readonly number[];
}

interface Move {
  readonly index: number;
  readonly merged: number;
  readonly pruned: number;
}

/** Least tokens after merging: the class token and one destination. */
const smallestKept = 2;
const bisections = 30;

/** The state to start from: a learnt schedule. */
export function startLocalSearch({ network, recipe }: LocalSearchContext, kept: KeptNumbers): LocalSearchState {
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
  return { merged, pruned, step: recipe.firstStep, passes: 0, sweep: 0, moves: 0, accepted: 0, tried: [] };
}

/**
 * Runs until the image passes are used up, or no move of a single token helps any more.
 * @param start where to begin, or where a stopped search continues.
 * @param onMove may stop the search by throwing.
 * @returns the best schedule.
 */
export async function localSearch(
  context: LocalSearchContext,
  images: ComparedImages,
  start: LocalSearchState,
  onMove: (progress: LocalSearchProgress) => Promise<void>,
): Promise<KeptNumbers> {
  const { recipe } = context;
  const lookEvery = Math.ceil(images.size / recipe.looks);
  let best = start.passes === 0 ? project(context, start, undefined) : keptOf(context, start);
  // Moves start from the best schedule, which is also what a stopped search has to find again.
  let state: LocalSearchState = { ...start, ...numbersOf(context, best) };
  let losses = await lossesOf(images, best, lookEvery);
  const tried = new Set<string>([...state.tried, JSON.stringify(best)]);
  while (state.passes < context.passes) {
    const moves = movesOf(context, state.sweep);
    const move = moves[state.moves];
    if (move === undefined) {
      const few = moves.length === 0 || state.accepted < moves.length * recipe.fewAccepted;
      if (few && state.step === 1) break;
      state = {
        ...state,
        sweep: state.sweep + 1,
        moves: 0,
        accepted: 0,
        step: few ? Math.max(1, Math.round(state.step / 2)) : state.step,
      };
      continue;
    }
    const numbers = moveNumbers(state, move);
    const challenger = project(context, numbers, move.index);
    const key = JSON.stringify(challenger);
    state = { ...state, moves: state.moves + 1 };
    if (tried.has(key) || context.cost.value(challenger) > context.target) continue;
    tried.add(key);
    const race = await raceAgainst(images, challenger, losses, lookEvery);
    state = { ...state, passes: state.passes + race.done };
    if (race.won) {
      best = challenger;
      losses = race.losses;
      state = { ...state, ...numbersOf(context, challenger), accepted: state.accepted + 1 };
    }
    state = { ...state, tried: [...tried] };
    await onMove({ state, kept: best, loss: meanOf(losses) });
  }
  return best;
}

/** Losses of the images under a schedule, run in the parts of a race: a batch of another size may round otherwise. */
async function lossesOf(images: ComparedImages, kept: KeptNumbers, lookEvery: number): Promise<Float64Array> {
  const candidate = await images.candidate(kept);
  try {
    while (candidate.done < images.size) await candidate.runTo(Math.min(images.size, candidate.done + lookEvery));
    return candidate.losses;
  } finally {
    await candidate.dispose();
  }
}

/** Looks at the paired difference every so many images; the challenger has to be ahead each time. */
async function raceAgainst(
  images: ComparedImages,
  kept: KeptNumbers,
  losses: Float64Array,
  lookEvery: number,
): Promise<{ won: boolean; done: number; losses: Float64Array }> {
  const candidate = await images.candidate(kept);
  try {
    while (candidate.done < images.size) {
      await candidate.runTo(Math.min(images.size, candidate.done + lookEvery));
      if (candidate.mean() >= meanOf(losses.subarray(0, candidate.done)))
        return { won: false, done: candidate.done, losses };
    }
    return { won: true, done: candidate.done, losses: candidate.losses };
  } finally {
    await candidate.dispose();
  }
}

/** Each number up and down, in an order of its own for every sweep. */
function movesOf({ network, seed }: LocalSearchContext, sweep: number): Move[] {
  const moves = network.searched.flatMap((_, index) =>
    [1, -1].flatMap((sign) => [
      { index, merged: sign, pruned: 0 },
      { index, merged: 0, pruned: sign },
    ]),
  );
  const order = new RandomGenerator(seed).fork('local search', sweep).permutation(moves.length);
  return Array.from(order, (position) => moves[position] as Move);
}

function moveNumbers({ merged, pruned, step }: LocalSearchState, move: Move): Numbers {
  const at = (values: readonly number[], change: number): number[] =>
    values.map((value, index) => (index === move.index ? value + change * step : value));
  return { merged: at(merged, move.merged), pruned: at(pruned, move.pruned).map((value) => Math.max(0, value)) };
}

/** Kept numbers at the target's cost: all but the held block are shifted together, and what rounding leaves is spent. */
function project(context: LocalSearchContext, numbers: Numbers, held: number | undefined): KeptNumbers {
  const { cost, target, network } = context;
  const shifted = (offset: number, extra?: number): KeptNumbers =>
    keptOf(context, {
      ...numbers,
      merged: numbers.merged.map(
        (value, index) => (index === held ? value : value + offset) + (index === extra ? 1 : 0),
      ),
    });
  let [low, high] = [-network.tokens, network.tokens];
  for (let step = 0; step < bisections; step++) {
    const middle = (low + high) / 2;
    if (cost.value(shifted(middle)) > target) high = middle;
    else low = middle;
  }
  let kept = shifted(low);
  for (let index = numbers.merged.length - 1; index >= 0; index--) {
    const more = keptOf(context, {
      ...numbersOf(context, kept),
      merged: numbersOf(context, kept).merged.map((value, at) => (at === index ? value + 1 : value)),
    });
    if (index !== held && cost.value(more) <= target) kept = more;
  }
  return kept;
}

/** Makes numbers fit: integers, no block keeps more than it gets. */
function keptOf({ network, fixed }: LocalSearchContext, { merged, pruned }: Numbers): KeptNumbers {
  const kept = { pruneKept: [...fixed.pruneKept], mergeKept: [...fixed.mergeKept] };
  let live = network.tokens;
  network.searched.forEach((block, index) => {
    const out = Math.max(smallestKept, Math.min(live, Math.round(merged[index] ?? live)));
    kept.pruneKept[block] = Math.max(out, live - (pruned[index] ?? 0));
    kept.mergeKept[block] = out;
    live = out;
  });
  return kept;
}

function numbersOf(context: LocalSearchContext, kept: KeptNumbers): Numbers {
  const { merged, pruned } = startLocalSearch(context, kept);
  return { merged, pruned };
}

const meanOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
