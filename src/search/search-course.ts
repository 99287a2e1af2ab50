/** What both phases of a search for one schedule share. */
import type { Evaluator } from '../execution/evaluator.ts';
import type { Learner } from './learners/learner.ts';
import type { Plan } from './plan.ts';
import type { SearchCheckpoint } from './search-checkpoint.ts';
import type { SearchHistoryEntry, SearchOptions, SearchProgress } from './search-options.ts';

/** Where a search stands, besides what its learner has learnt. */
export type Standing = Omit<SearchCheckpoint, 'identity' | 'learner' | 'history' | 'seconds'>;

/** Everything that they share. */
export interface SearchCourse {
  readonly options: SearchOptions;
  readonly plan: Plan;
  /** In the cost's unit. */
  readonly target: number;
  readonly evaluator: Evaluator;
  readonly learner: Learner;
  readonly history: SearchHistoryEntry[];
  readonly resumed: SearchCheckpoint | undefined;
  readonly onProgress: (progress: SearchProgress) => void;
  /** Writes a checkpoint where one is due, and stops the search where that was asked for. */
  readonly settle: (state: Standing, doing: string) => Promise<void>;
}
