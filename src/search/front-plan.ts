/** The budgets of a front, and how the work of its search is divided among them. */
import { UsageError, DiffrateError } from '../errors.ts';
import { flopsCost } from '../cost/flops-cost.ts';
import type { FrontOptions, FrontRange } from './front-options.ts';
import { planOf } from './plan.ts';
import type { Plan } from './plan.ts';
import type { FrontRecipe, PositionRecipe, RefinementRecipe } from './presets.ts';

/** Budgets are whole thousandths of the uncompressed cost, so that the name of a schedule's file says its budget exactly. */
const thousand = 1000;

/** One budget, and its share of the gradient steps. */
export interface FrontBudget {
  readonly ratio: number;
  /** In 10⁹ multiply-accumulates. */
  readonly target: number;
  /** Its steps are `firstStep…firstStep + steps − 1`. */
  readonly firstStep: number;
  readonly steps: number;
  /** Share of the learner's course that is over when it begins: a learner that comes from the budget before needs no large moves. */
  readonly progress: number;
  /** Share of all image passes that its local search has. */
  readonly share: number;
}

/** Everything settled. */
export interface FrontPlan {
  /** Of a search for the first budget alone. */
  readonly search: Plan;
  readonly budgets: readonly FrontBudget[];
  /** Gradient steps of all budgets. */
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
      `A front walks down: its first ratio must be the larger one, not ${from} before ${to}; turn them round.`,
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
 * Settles a front: its budgets, and for each its part of the steps and of the image passes.
 * @throws {DiffrateError} for a budget out of reach (with the reachable range) and whatever `planOf` refuses.
 * @throws {UsageError} for a range that is none, and for a preset that does not keep a budget exactly.
 */
export function frontPlanOf(options: FrontOptions): FrontPlan {
  const ratios = frontRatios(options.front);
  const { model } = options;
  const { baseline, range } = flopsCost(model.configuration);
  const targets = ratios.map((ratio) => Number((ratio * baseline).toPrecision(6)));
  const [least, most] = [Math.ceil((range.min / baseline) * thousand), Math.ceil((range.max / baseline) * thousand)];
  ratios.forEach((ratio, index) => {
    const target = targets[index] ?? 0;
    if (target >= range.min && target < range.max) return;
    throw new DiffrateError(
      `The front's budget ${ratio} (${target} GFLOPs) is out of reach for ${model.name}; choose ratios from ${(least / thousand).toFixed(3)} to below ${(most / thousand).toFixed(3)}.`,
    );
  });
  const search = planOf({ ...options, targetGflops: targets[0] ?? baseline });
  const { learner, refinement, front } = search.preset;
  if (learner.kind !== 'positions' || refinement === undefined || front === undefined) {
    throw new UsageError(
      `The preset ${options.preset} searches one schedule at a time: search a front with the preset small-data.`,
    );
  }
  const budgets = divide(ratios, targets, search.steps * front.steps, front);
  const steps = budgets.reduce((sum, budget) => sum + budget.steps, 0);
  return { search, budgets, steps, learner, refinement, front };
}

/** The first budget, which nothing comes before, has the work of several others. */
function divide(
  ratios: readonly number[],
  targets: readonly number[],
  steps: number,
  { firstWeight, warmProgress }: FrontRecipe,
): FrontBudget[] {
  const total = firstWeight + ratios.length - 1;
  // However few there are, every budget has one.
  const rest = Math.max(0, steps - ratios.length);
  const end = (index: number): number => index + 1 + Math.round((rest * (firstWeight + index)) / total);
  let firstStep = 0;
  return ratios.map((ratio, index) => {
    const own = end(index) - firstStep;
    const budget: FrontBudget = {
      ratio,
      target: targets[index] ?? 0,
      firstStep,
      steps: own,
      progress: index === 0 ? 0 : warmProgress,
      share: (index === 0 ? firstWeight : 1) / total,
    };
    firstStep += own;
    return budget;
  });
}
