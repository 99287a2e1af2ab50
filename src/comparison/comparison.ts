/** What a comparison of methods finds. */
import type { Metrics } from '../evaluation/metrics.ts';
import type { Ranking } from './random-ranking.ts';

/** A method at a budget. */
export type ComparisonCell = MeasuredCell | MissingCell;

interface Cell {
  /** Method as it was asked for: `tome`, `tome:proportional=false`. */
  readonly asked: string;
  /** Share of the uncompressed network's FLOPs. */
  readonly budget: number;
}

/** What was measured. */
export interface MeasuredCell extends Cell, Metrics {
  readonly kind: 'measured';
  /** The method with all its parameters. */
  readonly method: string;
  /**
   * By the paper's count, in 10⁹ multiply-accumulates; of a ragged method the mean over the images.
   */
  readonly gflops: number;
  /** How many tokens are left differs per image; time does not fall with them. */
  readonly ragged: boolean;
  /** At batch 16, in turns with the plain network. */
  readonly imagesPerSecond: number;
  /** Over those of the plain network in the same turns. */
  readonly speedup: number;
  /** FLOPs that the plain network really computes over those that this one does. */
  readonly flopsRatio: number;
}

/** Why there is nothing. */
export interface MissingCell extends Cell {
  readonly kind: 'missing';
  /** In words: `out of reach: at least 0.412 GFLOPs`. */
  readonly reason: string;
}

/** The uncompressed network on the same images. */
export interface BaselineResult extends Metrics {
  readonly gflops: number;
}

/** Random schedules at one budget. */
export interface BudgetRanking extends Ranking {
  /** Share of the uncompressed network's FLOPs. */
  readonly budget: number;
}

/** What a comparison finds. */
export interface Comparison {
  readonly model: string;
  /** Images that could be decoded. */
  readonly images: number;
  readonly baseline: BaselineResult;
  /** Budget by budget, in the order of the methods. */
  readonly cells: readonly ComparisonCell[];
  readonly rankings: readonly BudgetRanking[];
}
