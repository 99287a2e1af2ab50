/** What the checkpoint of a comparison holds: finished cells and sums of random schedules. */
import * as v from 'valibot';
import { identitySchema } from '../search/checkpoint.ts';
import type { CheckpointKind, IdentifiedCheckpoint, Identity } from '../search/checkpoint.ts';
import type { BaselineResult, ComparisonCell } from './comparison.ts';
import type { RankingSums } from './random-ranking.ts';
import type { SearchStage } from './schedule-source.ts';

/** Everything that is done. */
export interface ComparisonCheckpoint extends IdentifiedCheckpoint {
  readonly identity: Identity;
  readonly baseline: BaselineResult | null;
  readonly cells: readonly ComparisonCell[];
  /** Random schedules by budget and what is placed among them. */
  readonly rankings: Readonly<Record<string, RankingSums>>;
  /** Searches for DiffRate's schedules by budget in GFLOPs. */
  readonly searches: Readonly<Record<string, SearchStage>>;
}

const maybeNumber = v.nullable(v.number());
const metrics = {
  images: v.number(),
  objective: v.nullable(v.object({ name: v.string(), value: v.number(), unit: v.string() })),
  top1: maybeNumber,
  top5: maybeNumber,
  loss: maybeNumber,
  agreement: maybeNumber,
  kl: maybeNumber,
  featureDistance: maybeNumber,
  neighbourAgreement: maybeNumber,
};
const schema = v.object({
  identity: identitySchema,
  baseline: v.nullable(v.object({ ...metrics, gflops: v.number() })),
  cells: v.array(
    v.variant('kind', [
      v.object({
        kind: v.literal('measured'),
        asked: v.string(),
        budget: v.number(),
        method: v.string(),
        gflops: v.number(),
        ragged: v.boolean(),
        imagesPerSecond: v.number(),
        speedup: v.number(),
        flopsRatio: v.number(),
        ...metrics,
      }),
      v.object({ kind: v.literal('missing'), asked: v.string(), budget: v.number(), reason: v.string() }),
    ]),
  ),
  searches: v.record(v.string(), v.picklist(['begun', 'done'])),
  rankings: v.record(
    v.string(),
    v.object({
      images: v.number(),
      distance: v.array(v.number()),
      agreement: v.array(v.number()),
      top1: v.array(v.number()),
    }),
  ),
});

/** How it is read. */
export const comparisonCheckpoint: CheckpointKind<ComparisonCheckpoint> = { schema, work: 'comparison' };
