/** Where the search of a front stands: what its two phases share. */
import type { SessionOptions } from '../runtime/runtime.ts';
import type { FoundPoint, FrontCheckpoint } from './front-checkpoint.ts';
import type { FrontOptions, FrontProgress } from './front-options.ts';
import type { FrontBudget, FrontPlan, FrontTurn } from './front-plan.ts';
import { PositionLearner } from './learners/position-learner.ts';

/** What the phases share, and where they stand. */
export interface FrontCourse {
  readonly options: FrontOptions;
  readonly plan: FrontPlan;
  readonly session: SessionOptions;
  /** Of the turns that follow gradients. */
  readonly learners: ReadonlyMap<FrontTurn, PositionLearner>;
  readonly found: FoundPoint[];
  readonly resumed: FrontCheckpoint | undefined;
  readonly report: (turn: FrontTurn, progress: Omit<FrontProgress, 'ratio' | 'point' | 'points'>) => void;
  /** Writes a checkpoint where one is due, and stops the search where that was asked for. */
  readonly settle: (state: Omit<FrontCheckpoint, 'identity' | 'learners' | 'found'>, doing: string) => Promise<void>;
}

/** A learner that has learnt nothing: its schedule is the uniform rate. */
export function learnerFor({ search, learner }: FrontPlan, { target }: FrontBudget): PositionLearner {
  return new PositionLearner(search.network, search.fixed, search.cost, target, learner);
}

/** Image passes of all budgets that are done. */
export const passesDone = (found: readonly FoundPoint[]): number =>
  found.reduce((sum, { localSearch: { passes } }) => sum + passes, 0);

/** What was found at a ratio. */
export const pointOf = (found: readonly FoundPoint[], ratio: number): FoundPoint =>
  found.find((point) => point.ratio === ratio) as FoundPoint;
