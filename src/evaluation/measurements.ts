/**
 * What was measured of a compressed network beside the uncompressed one: what the summary, the
 * model card and the report all tell.
 */
import type { EvaluationResult } from './evaluation-options.ts';
import type { Metrics } from './metrics.ts';
import type { ThroughputRun } from './throughput.ts';

/**
 * Medians at one batch size, plain and compressed network in turn on the same machine;
 * `ThroughputRun` is one.
 */
export interface MeasuredThroughput {
  readonly batch: number;
  readonly device: string;
  readonly imagesPerSecond: number;
  readonly baselineImagesPerSecond: number;
}

/** The measurements, as far as they were made. */
export interface Measured {
  /** On the same images; `null` where there were none. */
  readonly evaluation?: { readonly before: Metrics; readonly after: Metrics } | null;
  /** Those images, in words: `650 images of imagenet-val`. */
  readonly data?: string;
  /** What is to be said of the images, in sentences: that there are few, or some are copies. */
  readonly remarks?: readonly string[];
  readonly runs?: readonly MeasuredThroughput[];
  /** Machine of the throughput figures, in words. */
  readonly machine?: string;
}

/** A cost before and after, in 10⁹ multiply-accumulates. */
export interface BeforeAndAfter {
  readonly before: number;
  readonly after: number;
}

/** All of them, of a network that was compressed. */
export interface Measurements extends Measured {
  /** By the paper's count, and (`real…`) as really computed. */
  readonly gflops: BeforeAndAfter & { readonly realBefore: number; readonly realAfter: number };
  readonly evaluation: { readonly before: EvaluationResult; readonly after: EvaluationResult } | null;
  /** At batch 1 and 16. */
  readonly runs: readonly ThroughputRun[];
}
