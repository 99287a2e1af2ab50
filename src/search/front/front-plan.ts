/** The budgets of a front, and how the work of its search is divided among them. */
import { UsageError, DiffrateError } from '../../errors.ts';
import type { FrontOptions, FrontRange } from './front-options.ts';
import { formatCost } from '../../cost/cost.ts';
import { planOf } from '../plan.ts';
import type { Plan } from '../plan.ts';
import type { FrontRecipe, PositionRecipe, RefinementRecipe } from '../presets.ts';

/**
 * Budgets are whole thousandths of the uncompressed cost, so that the name of a schedule's file
 * says its budget exactly.
 */
const thousand = 1000;

/** One budget. */
export interface FrontBudget {
  readonly ratio: number;
  /** In the cost's unit. */
  readonly target: number;
}

/**
 * One budget's turn: the middle's is first, then those of the dearer ones, of the cheapest, and of
 * what is between the middle and that.
 */
export interface FrontTurn {
  readonly budget: FrontBudget;
  /** The budget next to it whose turn was before; one that follows gradients has none. */
  readonly nearest?: FrontBudget | undefined;
  /** The one beyond that, if its turn was before, too. */
  readonly beyond?: FrontBudget | undefined;
  /** The nearest one on the other side, if there the turn of any was before. */
  readonly across?: FrontBudget | undefined;
  /** Whether it removes less than the middle one. */
  readonly dearer: boolean;
  /** Gradient steps that it follows. */
  readonly steps: number;
  /** Share of all image passes that its local search has. */
  readonly share: number;
}

/** Everything settled. */
export interface FrontPlan {
  /** Of a search for the first turn's budget alone. */
  readonly search: Plan;
  /** The dearest first. */
  readonly budgets: readonly FrontBudget[];
  readonly turns: readonly FrontTurn[];
  /** Gradient steps of all turns together. */
  readonly steps: number;
  readonly learner: PositionRecipe;
  readonly refinement: RefinementRecipe;
  readonly front: FrontRecipe;
}

/**
 * Ratios of a front, evenly spaced from the first to the last and rounded to thousandths.
 * @throws {UsageError} where they would not be falling, or not be distinct.
 */
export function frontRatios({ from, to, points }: FrontRange): number[] {
  if (!(from < 1 && to > 0)) {
    throw new UsageError(
      `A front lies between the uncompressed network and nothing, so its ratios must be below 1 and above 0, not ${from} and ${to}.`,
    );
  }
  if (!(from > to)) {
    throw new UsageError(
      `A front’s budgets fall: the first ratio must be the larger one, not ${from} before ${to}; turn them round.`,
    );
  }
  if (!Number.isSafeInteger(points) || points < 2) {
    throw new UsageError(`A front needs a whole number of budgets from 2, not ${points}.`);
  }
  const most = Math.floor(Math.round((from - to) * thousand * thousand) / thousand) + 1;
  if (points > most) {
    throw new UsageError(
      `Budgets of a front must be at least 0.001 apart: from ${from} to ${to} there are at most ${most}, not ${points}.`,
    );
  }
  return Array.from(
    { length: points },
    (_, index) => Math.round((from + ((to - from) * index) / (points - 1)) * thousand) / thousand,
  );
}

/**
 * Settles a front: its budgets, in which order they are searched, and each one's part of the image
 * passes.
 * @throws {DiffrateError} for a budget out of reach (with the reachable range) and whatever
 *   `planOf` refuses.
 * @throws {UsageError} for a range that is none, and for a preset that does not keep a budget
 *   exactly.
 */
export function frontPlanOf(options: FrontOptions): FrontPlan {
  // Callers without types can leave it out.
  if (typeof options.front !== 'object')
    throw new UsageError('The front has no range: give front: { from: 0.9, to: 0.5, points: 8 }.');
  const ratios = frontRatios(options.front);
  const search = planOf(options);
  const { cost, space } = search;
  const { baseline, unit } = cost;
  const range = cost.reachable(space);
  const targets = ratios.map((ratio) => Number((ratio * baseline).toPrecision(6)));
  const [least, most] = [Math.ceil((range.min / baseline) * thousand), Math.floor((range.max / baseline) * thousand)];
  ratios.forEach((ratio, index) => {
    const target = targets[index] ?? 0;
    if (target >= range.min && target < range.max) return;
    throw new DiffrateError(
      `The front's budget ${ratio} (${formatCost(target, unit, 6)}) is out of reach for ${options.model.name}; choose ratios from ${(least / thousand).toFixed(3)} to below ${(most / thousand).toFixed(3)}.`,
    );
  });
  const budgets = ratios.map((ratio, index): FrontBudget => ({ ratio, target: targets[index] ?? baseline }));
  const middle = Math.floor((budgets.length - 1) / 2);
  const { learner, refinement, front } = search.preset;
  if (learner.kind !== 'positions' || refinement === undefined || front === undefined) {
    throw new UsageError(
      `The preset ${search.presetName} searches one schedule at a time: search a front with the preset small-data.`,
    );
  }
  const turns = turnsOf(budgets, middle, search.steps, front);
  const steps = turns.reduce((sum, turn) => sum + turn.steps, 0);
  return { search, budgets, turns, steps, learner, refinement, front };
}

function turnsOf(
  budgets: readonly FrontBudget[],
  middle: number,
  steps: number,
  { stepShare, weights }: FrontRecipe,
): FrontTurn[] {
  const last = budgets.length - 1;
  const positions = budgets.map((_, index) => index);
  const dearer = positions.filter((index) => index < middle).reverse();
  const between = positions.filter((index) => index > middle && index < last);
  const order = [middle, ...dearer, ...(last > middle ? [last] : []), ...between];
  const weightOf = (index: number): number =>
    index === middle ? weights.first : index < middle ? weights.dearer : weights.cheaper;
  const total = order.reduce((sum, index) => sum + weightOf(index), 0);
  const stepsOf = new Map([
    [last, Math.max(1, Math.round(stepShare * steps))],
    [middle, steps],
  ]);
  return order.map((index, turn) => {
    const share = weightOf(index) / total;
    const budget = budgets[index] as FrontBudget;
    const dearer = index < middle;
    const learnt = stepsOf.get(index);
    if (learnt !== undefined) return { budget, share, dearer, steps: learnt };
    const before = order.slice(0, turn);
    const earlier = (other: number): FrontBudget | undefined => (before.includes(other) ? budgets[other] : undefined);
    const inwards = dearer ? 1 : -1;
    const beyondIt = before.filter((other) => other > index);
    return {
      budget,
      share,
      dearer,
      steps: 0,
      nearest: earlier(index + inwards),
      beyond: earlier(index + 2 * inwards),
      across: dearer ? undefined : earlier(Math.min(...beyondIt)),
    };
  });
}
