/**
 * The reports of a compression, of what became of images, and of a comparison: which sections they
 * have, from what is known.
 */
import type { Comparison } from '../comparison/comparison.ts';
import { formatGflops } from '../cost/cost.ts';
import type { Measurements } from '../evaluation/measurements.ts';
import type { ImagePrediction } from '../evaluation/predictions.ts';
import type { MeasuredPrecision } from '../exporting/measured-precision.ts';
import type { Labels } from '../loading/labels.ts';
import type { Network } from '../networks/network.ts';
import type { Objective } from '../objectives/objective.ts';
import { objectiveFor } from '../objectives/registry.ts';
import type { NamedMethod } from '../reduction/methods/registry.ts';
import type { Schedule } from '../reduction/schedule.ts';
import type { SearchHistoryEntry } from '../search/search-options.ts';
import type { ChangedImages } from './changed-images.ts';
import type { ReportPage, ReportSection } from './page.ts';
import type { PictureSeries } from './picture-series.ts';
import { accuracySection } from './sections/accuracy.ts';
import { changesSection } from './sections/changes.ts';
import { comparisonSection } from './sections/comparison.ts';
import { filesSection } from './sections/files.ts';
import type { OriginalCheckpoint, SizedFile } from './sections/files.ts';
import { flopsSection } from './sections/flops.ts';
import { headlineSection } from './sections/headline.ts';
import { nextStepsSection } from './sections/next-steps.ts';
import type { NextStep } from './sections/next-steps.ts';
import { patchCountsSection, picturesSection } from './sections/pictures.ts';
import { precisionsSection } from './sections/precisions.ts';
import { provenanceSection } from './sections/provenance.ts';
import type { Fact } from './sections/provenance.ts';
import { randomSchedulesSection } from './sections/random-schedules.ts';
import { searchSection } from './sections/search-course.ts';
import type { SearchTarget } from './sections/search-course.ts';
import { speedSection } from './sections/speed.ts';
import { tokensSection } from './sections/tokens.ts';

/** How something was made. */
export interface Provenance {
  /** The command as it was typed. */
  readonly command?: string | undefined;
  readonly facts: readonly Fact[];
}

/** Everything that the report of a compression tells. */
export interface CompressionFacts {
  readonly model: string;
  readonly network: Network;
  readonly schedule: Schedule;
  /** What was to be reached, a value of the search's cost. */
  readonly target: SearchTarget;
  /** What the search minimised; by default what is usual for such answers. */
  readonly objective?: Objective | undefined;
  readonly measurements: Measurements;
  /** What was measured of each file of the model folder; of fp32 alone there is no more to tell. */
  readonly precisions?: readonly MeasuredPrecision[] | undefined;
  /** The search's course; empty where a published schedule was taken. */
  readonly history: readonly SearchHistoryEntry[];
  /** Images of the evaluation set; none where there are no images. */
  readonly pictures: readonly PictureSeries[];
  /** What both networks say of the evaluated images, where they name classes. */
  readonly predictions?: readonly ImagePrediction[] | null | undefined;
  /** Those of the images whose predicted class changed, with pictures. */
  readonly changes?: ChangedImages | undefined;
  /** Names of the classes, where they are known. */
  readonly labels?: Labels | undefined;
  /** What was written, and what it was made from. */
  readonly files?: { readonly original: OriginalCheckpoint; readonly written: readonly SizedFile[] } | undefined;
  /** What to do with the result. */
  readonly next?: readonly NextStep[] | undefined;
  readonly provenance: Provenance;
}

/** The report that lies in a compressed network's folder. */
export async function compressionReport(facts: CompressionFacts): Promise<ReportPage> {
  const { model, network, schedule, target, measurements, history, pictures, provenance } = facts;
  const { objective = objectiveFor(network.answers), precisions = [], labels, changes, files, next = [] } = facts;
  const { gflops, evaluation, runs, data, remarks, machine } = measurements;
  const sections: ReportSection[] = [
    headlineSection(measurements),
    tokensSection(network, schedule),
    flopsSection(network, schedule, gflops),
    speedSection(runs, machine),
    ...(evaluation === null ? [] : [accuracySection(evaluation, data, remarks)]),
    ...(changes === undefined ? [] : [await changesSection(changes, network.answers, labels, data)]),
    ...(precisions.every(({ dtype }) => dtype === 'fp32') ? [] : [precisionsSection(precisions, measurements)]),
    ...(history.length === 0 ? [] : [searchSection(history, target, objective)]),
    ...(pictures.length === 0 ? [] : [await picturesSection(pictures, { predictions: facts.predictions, labels })]),
    ...(files === undefined ? [] : [filesSection(files.original, files.written)]),
    ...(next.length === 0 ? [] : [nextStepsSection(next)]),
    provenanceSection(provenance.facts, provenance.command),
  ];
  return {
    title: `${model}, compressed`,
    summary: `The same weights with fewer tokens: ${formatGflops(gflops.before)} → ${formatGflops(gflops.after, gflops.before)} GFLOPs per image.`,
    sections,
  };
}

/** What a report on images tells. */
export interface PictureFacts {
  readonly model: string;
  readonly network: Network;
  /** The schedule, where tokens follow one. */
  readonly schedule?: Schedule | undefined;
  /** The method with its parameters, where it is not a schedule. */
  readonly method?: NamedMethod | undefined;
  readonly pictures: readonly PictureSeries[];
  /**
   * What the network says of the images with all its tokens and with fewer, where it names classes.
   */
  readonly predictions?: readonly ImagePrediction[] | null | undefined;
  /** Names of the classes, where they are known. */
  readonly labels?: Labels | undefined;
  readonly provenance: Provenance;
}

/** The report that lies beside pictures. */
export async function picturesReport(facts: PictureFacts): Promise<ReportPage> {
  const { model, network, schedule, method, pictures, predictions, labels, provenance } = facts;
  const { length } = pictures;
  const cause = method === undefined ? 'a schedule' : `${method.method.title}, ${method.name}`;
  return {
    title: `${model}: kept, merged and pruned`,
    summary: `What becomes of the patches of ${length === 1 ? 'an image' : `${length} images`} under ${cause}.`,
    sections: [
      await picturesSection(pictures, { remark: method?.method.pictureRemark, predictions, labels }),
      patchCountsSection(pictures),
      ...(schedule === undefined ? [] : [tokensSection(network, schedule)]),
      provenanceSection(provenance.facts, provenance.command),
    ],
  };
}

/** The report of a comparison. */
export function comparisonReport(comparison: Comparison, provenance: Provenance): ReportPage {
  const { model, rankings } = comparison;
  return {
    title: `${model}: methods of token reduction`,
    summary: 'The same network, images, count of FLOPs and engine for every method, at equal cost.',
    sections: [
      comparisonSection(comparison),
      ...(rankings.length === 0 ? [] : [randomSchedulesSection(rankings)]),
      provenanceSection(provenance.facts, provenance.command),
    ],
  };
}
