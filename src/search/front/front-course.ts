/** Where the search of a front stands: what its phases share. */
import type { Evaluator } from '../../execution/evaluator.ts';
import type { KeptNumbers } from '../../reduction/schedule.ts';
import type { FoundPoint, FrontCheckpoint } from './front-checkpoint.ts';
import type { FrontOptions, FrontProgress } from './front-options.ts';
import type { FrontBudget, FrontPlan, FrontTurn } from './front-plan.ts';
import { PositionLearner } from '../learners/position-learner.ts';

/** Where the search of a front stands, besides what its learners have learnt and what is found. */
export type FrontStanding = Omit<FrontCheckpoint, 'identity' | 'learners' | 'found' | 'seconds'>;

/** What the phases share, and where they stand. */
export interface FrontCourse {
  readonly options: FrontOptions;
  readonly plan: FrontPlan;
  readonly evaluator: Evaluator;
  /** Of the turns that follow gradients. */
  readonly learners: ReadonlyMap<FrontTurn, PositionLearner>;
  readonly found: FoundPoint[];
  readonly resumed: FrontCheckpoint | undefined;
  readonly report: (turn: FrontTurn, progress: Omit<FrontProgress, 'ratio' | 'point' | 'points'>) => void;
  /** Writes a checkpoint where one is due, and stops the search where that was asked for. */
  readonly settle: (state: FrontStanding, doing: string) => Promise<void>;
}

/** Tells how many image passes are done, and the best schedule of a turn with its loss. */
export type PassReport = (
  turn: FrontTurn,
  done: number,
  best: { readonly kept: KeptNumbers; readonly loss: number },
) => void;

/**
 * Reports image passes as the steps of the local search: so many in all, and these before this
 * process began.
 */
export function passReport({ plan, report }: FrontCourse, all: number, before: number): PassReport {
  const start = performance.now();
  return (turn, done, { kept, loss }) => {
    const imagesPerSecond = ((done - before) * 1000) / (performance.now() - start);
    report(turn, {
      phase: 'local search',
      step: Math.min(Math.round(done), all),
      steps: all,
      loss,
      cost: plan.search.cost.value(kept),
      unit: plan.search.cost.unit,
      imagesPerSecond,
      secondsLeft: Math.max(0, all - done) / imagesPerSecond,
    });
  };
}

/** A learner that has learnt nothing: it removes the same number of tokens in every block. */
export function learnerFor({ search, learner }: FrontPlan, { target }: FrontBudget): PositionLearner {
  return new PositionLearner(search.space, search.cost, target, learner);
}

/** Image passes of all budgets that are done. */
export const passesDone = (found: readonly FoundPoint[]): number =>
  found.reduce((sum, { localSearch: { passes } }) => sum + passes, 0);

/** What was found at a ratio. */
export const pointOf = (found: readonly FoundPoint[], ratio: number): FoundPoint =>
  found.find((point) => point.ratio === ratio) as FoundPoint;
