/**
 * A discrete local search on kept numbers, after the gradients: what the compressed network really
 * answers decides.
 *
 * One block's number is moved by some tokens, those after it are shifted together until the cost is
 * again just the target (`projection.ts`), and the two schedules race on the calibration images
 * (`race.ts`): most moves cost the later blocks of an eighth of the set. Steps get smaller when few
 * moves still help. Where nothing is pruned any more, no move prunes again: merging at the same
 * cost has won. The number of image passes is the budget, so the same seed gives the same schedule.
 */
import { DiffrateError } from '../errors.ts';
import { RandomGenerator } from '../data/random.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { RefinementRecipe } from './presets.ts';
import { keptOf, numbersOf, project } from './projection.ts';
import type { Numbers, Projection } from './projection.ts';
import { lossesOf, meanOf, raceAgainst } from './race/race.ts';
import type { ComparedImages, Entrant } from './race/race.ts';
import { withBlocks } from './reducing-blocks.ts';

/** Where the search stands: everything that the next move depends on. */
export interface LocalSearchState {
  /**
   * Tokens after each searched block, and how many of those that entered it are pruned instead of
   * merged.
   */
  readonly merged: readonly number[];
  readonly pruned: readonly number[];
  readonly step: number;
  /** Image passes so far; no whole number where leading blocks were shared. */
  readonly passes: number;
  readonly sweep: number;
  /** Moves of this sweep done and accepted. */
  readonly moves: number;
  readonly accepted: number;
  /** Schedules that need not be tried again. */
  readonly tried: readonly string[];
  /** The blocks whose numbers these are; absent where they are all searched ones. */
  readonly blocks?: readonly number[] | undefined;
}

/** What the search tells after each move. */
export interface LocalSearchProgress {
  readonly state: LocalSearchState;
  readonly kept: KeptNumbers;
  /** Mean loss of the best schedule on the calibration images, in nats. */
  readonly loss: number;
}

/** What the search gives. */
export interface LocalSearchResult {
  /** The best schedule. */
  readonly kept: KeptNumbers;
  /** Its mean loss on the calibration images, in nats. */
  readonly loss: number;
  /** Of each of them. */
  readonly losses: Float64Array;
  /** Where the search ended. */
  readonly state: LocalSearchState;
}

/** What surrounds the search. */
export interface LocalSearchContext extends Projection {
  readonly recipe: RefinementRecipe;
  /** Images that go through whole compressed networks, in all: the length of the search. */
  readonly passes: number;
  readonly seed: number;
}

interface Move {
  readonly index: number;
  readonly merged: number;
  readonly pruned: number;
  /** To which block the numbers go, from their own. */
  readonly block: number;
}

/**
 * The state to start from.
 * @param blocks the only ones that may reduce, by default all searched ones.
 */
export function startLocalSearch(
  context: LocalSearchContext,
  kept: KeptNumbers,
  passes = 0,
  blocks?: readonly number[],
): LocalSearchState {
  const reduced = blocks === undefined ? context : withBlocks(context, blocks);
  const start = project(reduced, numbersOf(reduced, kept));
  const state = { ...numbersOf(reduced, start), step: context.recipe.firstStep, passes, sweep: 0, moves: 0 };
  return { ...state, accepted: 0, tried: [], ...(blocks === undefined ? {} : { blocks }) };
}

/**
 * The state to start from where a search under another budget came before: moves go on in the order
 * that it had come to, so that searches too short for a whole sweep try all of them in the end.
 * They are half as large as in a search that nothing comes before, or larger.
 */
export function continueLocalSearch(
  context: LocalSearchContext,
  kept: KeptNumbers,
  passes: number,
  { step, sweep, moves, accepted }: LocalSearchState,
): LocalSearchState {
  const start = startLocalSearch(context, kept, passes);
  // One that had no moves left begins anew, with large ones.
  if (moves >= movesOf(context, context.space.searched, sweep).length) return { ...start, sweep: sweep + 1 };
  return { ...start, step: Math.max(step, Math.ceil(start.step / 2)), sweep, moves, accepted };
}

/**
 * Runs until the image passes are used up, or no move of a single token helps any more.
 * @param start where to begin, or where a stopped search continues.
 * @param onMove may stop the search by throwing.
 * @param known the schedule at `start` with its losses, where it leads the images; otherwise it
 *   runs on all of them first.
 */
export async function localSearch(
  context: LocalSearchContext,
  images: ComparedImages,
  start: LocalSearchState,
  onMove: (progress: LocalSearchProgress) => Promise<void>,
  known?: Entrant,
): Promise<LocalSearchResult> {
  const { recipe } = context;
  requireFitting(context, start);
  const blocksOf = ({ blocks }: LocalSearchState): readonly number[] => blocks ?? context.space.searched;
  const at = (place: LocalSearchState): LocalSearchContext => withBlocks(context, blocksOf(place));
  let best = keptOf(at(start), start);
  // Moves start from the best schedule, which is also what a stopped search has to find again.
  let state: LocalSearchState = { ...start, ...numbersOf(at(start), best) };
  const isKnown = known !== undefined && JSON.stringify(known.kept) === JSON.stringify(best);
  let { losses } = isKnown ? known : await lossesOf(images, best);
  const tried = new Set<string>([...state.tried, JSON.stringify(best)]);
  while (state.passes < context.passes) {
    const moves = movesOf(context, blocksOf(state), state.sweep);
    const move = moves[state.moves];
    const prunes = state.pruned.some((count) => count > 0);
    if (move === undefined) {
      const open = moves.filter((each) => prunes || each.pruned === 0).length;
      const few = open === 0 || state.accepted < open * recipe.fewAccepted;
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
    state = { ...state, moves: state.moves + 1 };
    if (move.pruned !== 0 && !prunes) continue;
    const blocks = movedBlocks(context, blocksOf(state), move);
    if (blocks === undefined) continue;
    const challenger = project(withBlocks(context, blocks), moveNumbers(state, move), move.index);
    const key = JSON.stringify(challenger);
    if (tried.has(key) || context.cost.value(challenger) > context.target) continue;
    tried.add(key);
    const race = await raceAgainst(images, challenger, losses, (state.sweep + state.moves) % images.looks.count);
    state = { ...state, passes: state.passes + race.passes };
    if (race.won) {
      best = challenger;
      losses = race.losses;
      const numbers = numbersOf(withBlocks(context, blocks), challenger);
      state = { ...state, ...numbers, accepted: state.accepted + 1, ...(move.block === 0 ? {} : { blocks }) };
    }
    state = { ...state, tried: [...tried] };
    await onMove({ state, kept: best, loss: meanOf(losses) });
  }
  return { kept: best, loss: meanOf(losses), losses, state };
}

/**
 * Checks where a search is to go on from.
 * @throws {DiffrateError} where its numbers are not those of the searched blocks.
 */
function requireFitting({ space }: LocalSearchContext, { merged, pruned, blocks }: LocalSearchState): void {
  const { length } = blocks ?? space.searched;
  const whole = [...merged, ...pruned].every((count) => Number.isInteger(count) && count >= 0);
  const rising = (blocks ?? []).every((block, index, all) => index === 0 || block > (all[index - 1] as number));
  const known = rising && (blocks ?? []).every((block) => space.searched.includes(block));
  if (whole && known && merged.length === length && pruned.length === length) return;
  throw new DiffrateError(
    `The search's checkpoint is damaged: its kept numbers are not one whole number for each of ${length} searched blocks; start again.`,
  );
}

/**
 * Each number up and down, and where only some blocks reduce, to the block before and the one
 * after, in an order of its own for every sweep.
 */
function movesOf({ space, seed }: LocalSearchContext, blocks: readonly number[], sweep: number): Move[] {
  const some = blocks.length < space.searched.length;
  const moves = blocks.flatMap((_, index) =>
    [1, -1].flatMap((sign): Move[] => [
      { index, merged: sign, pruned: 0, block: 0 },
      { index, merged: 0, pruned: sign, block: 0 },
      ...(some ? [{ index, merged: 0, pruned: 0, block: sign }] : []),
    ]),
  );
  const order = new RandomGenerator(seed).fork('local search', sweep).permutation(moves.length);
  return Array.from(order, (position) => moves[position] as Move);
}

/** The reducing blocks after a move; `undefined` where one cannot go there. */
function movedBlocks(
  { space: { searched } }: LocalSearchContext,
  blocks: readonly number[],
  { index, block }: Move,
): readonly number[] | undefined {
  if (block === 0) return blocks;
  const moved = searched[searched.indexOf(blocks[index] as number) + block];
  return moved === undefined || blocks.includes(moved) ? undefined : blocks.with(index, moved);
}

function moveNumbers({ merged, pruned, step }: LocalSearchState, move: Move): Numbers {
  const at = (values: readonly number[], change: number): number[] =>
    values.map((value, index) => (index === move.index ? value + change * step : value));
  return { merged: at(merged, move.merged), pruned: at(pruned, move.pruned) };
}
