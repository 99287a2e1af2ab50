/**
 * Where schedules stand among random ones at the same budget (Fig. 4 of DiffRate, arXiv
 * 2305.17997). All of them are evaluated on a small sample of images, leading blocks that are alike
 * computed once, all of them selecting and merging alike. A schedule's rank is the number of random
 * ones that are better, plus one.
 */
import { createImageLoader } from '../data/batches.ts';
import { shuffledSample } from '../data/image-sample.ts';
import { checkLabels } from '../data/image-source.ts';
import type { ImageSource } from '../data/image-source.ts';
import { countFlops, flopsPerGflop } from '../cost/flops.ts';
import { classesOf, MetricAccumulator } from '../evaluation/metrics.ts';
import { BlockNetworks } from '../execution/block-networks.ts';
import { pixelCount } from '../execution/network-session.ts';
import { imagesFor } from '../networks/model.ts';
import type { Model } from '../networks/model.ts';
import type { Network } from '../networks/network.ts';
import { rowsOf } from '../objectives/answer-rows.ts';
import type { Objective } from '../objectives/objective.ts';
import { objectiveFor } from '../objectives/registry.ts';
import { tokensOf } from '../reduction/network-shape.ts';
import { uncompressed } from '../reduction/schedule.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import type { Runtime, SessionOptions } from '../runtime/runtime.ts';
import { runSchedules } from './run-schedules.ts';
import { scheduleTree } from './schedule-tree.ts';

/** A schedule that is to be placed. */
export interface PlacedSchedule {
  readonly name: string;
  readonly kept: KeptNumbers;
}

/** What to rank, and on what. */
export interface RankingOptions extends SessionOptions {
  readonly source: ImageSource;
  /** What "the same answers" means; by default what is usual for such answers. */
  readonly objective?: Objective | undefined;
  /** Where networks run; by default ONNX Runtime for Node. */
  readonly runtime?: Runtime | undefined;
  /** Images of the sample. */
  readonly images: number;
  /** Of the sample of images. */
  readonly seed: number;
  readonly random: readonly KeptNumbers[];
  readonly placed: readonly PlacedSchedule[];
  /** What was done before. */
  readonly resumed?: RankingSums | undefined;
  /** Called after each batch with what is done by then. */
  readonly onBatch?: ((sums: RankingSums) => Promise<void>) | undefined;
  /** Called after each schedule on each batch. */
  readonly onProgress?: ((progress: RankingProgress) => void) | undefined;
  /** Called once for each image that is left out. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** How far a ranking is: evaluations of one schedule on one batch. */
export interface RankingProgress {
  readonly done: number;
  readonly of: number;
  readonly secondsLeft: number;
}

/** Sums over the images done, by schedule: the random ones and then the placed ones. */
export interface RankingSums {
  readonly images: number;
  /** Of the objective. */
  readonly distance: readonly number[];
  /** Zeros where nothing is decided. */
  readonly agreement: readonly number[];
  /** Zeros without labels. */
  readonly top1: readonly number[];
}

/** A schedule with what was measured of it. */
export interface RankedSchedule extends KeptNumbers {
  /** By the paper's count, in 10⁹ multiply-accumulates. */
  readonly gflops: number;
  /** Mean over images of the objective's distance from the uncompressed network. */
  readonly distance: number;
  /** The same where it is the KL divergence of a classifier, in nats; else `null`. */
  readonly kl: number | null;
  /** In percent; `null` where nothing is decided. */
  readonly agreement: number | null;
  /** In percent; `null` without labels. */
  readonly top1: number | null;
}

/** Ranks count from 1, the best; of equal ones the best rank. */
export interface Ranks {
  readonly rankByDistance: number;
  /** `null` where the distance is another. */
  readonly rankByKl: number | null;
  /** `null` without labels. */
  readonly rankByTop1: number | null;
}

/** A placed schedule. */
export interface Placement extends RankedSchedule, Ranks {
  readonly name: string;
}

/** The ranking. */
export interface Ranking {
  readonly images: number;
  /** Name of the objective whose distance it is. */
  readonly objective: string;
  readonly random: readonly RankedSchedule[];
  readonly placed: readonly Placement[];
  /** Share of the FLOPs that computing leading blocks once saved, 0 to 1. */
  readonly saved: number;
}

/** Images that go through a block at once. */
const batchSize = 16;

/**
 * Evaluates the schedules.
 * @throws {DiffrateError} where the network or the images do not serve
 */
export async function rankSchedules(model: Model, options: RankingOptions): Promise<Ranking> {
  const { random, placed, resumed, onBatch, onProgress, runtime = nodeRuntime } = options;
  const { network } = model;
  const { answers } = network;
  const listed = [...random, ...placed.map(({ kept }) => kept)];
  // The uncompressed network is a schedule, too; it comes first,
  // so that its answers are there to compare the others with.
  const plain = uncompressed(network.depth, tokensOf(network));
  const tree = scheduleTree([plain, ...listed], network);
  // Schedules are compared, not rules: all of them choose and merge tokens as the placed one does.
  const rules = placed.map(({ kept }) => kept);
  const { merging, selection } =
    rules.find((kept) => kept.selection !== undefined) ?? rules.find((kept) => kept.merging !== undefined) ?? {};
  const networks = new BlockNetworks(model, {
    ...options,
    runtime,
    batch: batchSize,
    merging: merging ?? 'similarity',
    selection,
  });
  const sample = await loadSample(model, options);
  const zeros = listed.map(() => 0);
  const sums = resumed ?? { images: 0, distance: zeros, agreement: zeros, top1: zeros };
  const [distance, agreement, top1] = [[...sums.distance], [...sums.agreement], [...sums.top1]];
  let done = sums.images;
  let objective = options.objective ?? objectiveFor(answers);
  const start = performance.now();
  let evaluations = 0;
  try {
    if (objective.fitted !== undefined) objective = objective.fitted(await plainAnswers(networks, network, sample));
    while (done < sample.images) {
      const { count, pixels, labels } = batchOf(sample, done);
      let reference: Float32Array | undefined;
      const take = (inTree: number, all: Float32Array): void => {
        const own = all.subarray(0, count * answers.size);
        reference ??= own;
        const schedule = inTree - 1;
        if (schedule < 0) return;
        const metrics = new MetricAccumulator(answers, objective);
        metrics.add({ answers: own, reference, ...(labels && { labels }) });
        const mean = metrics.result();
        distance[schedule] = (distance[schedule] ?? 0) + distancesOf(objective, own, reference, answers.size);
        agreement[schedule] = (agreement[schedule] ?? 0) + count * (mean.agreement ?? 0);
        top1[schedule] = (top1[schedule] ?? 0) + labelledIn(labels) * (mean.top1 ?? 0);
        evaluations += 1;
        const of = listed.length * Math.ceil((sample.images - sums.images) / batchSize);
        const secondsLeft = ((performance.now() - start) / 1000 / evaluations) * (of - evaluations);
        onProgress?.({ done: evaluations, of, secondsLeft });
      };
      await runSchedules(networks, tree, pixels, take);
      done += count;
      await onBatch?.({ images: done, distance, agreement, top1 });
    }
  } finally {
    await networks.dispose();
  }
  const decides = objectiveFor(answers).measure().result().agreement !== undefined;
  const isKl = objective.name === 'classDivergence';
  const labelled = classesOf(answers) === 0 ? 0 : labelledIn(sample.labels?.subarray(0, done));
  const measured = listed.map((kept, index): RankedSchedule => {
    const mean = (all: readonly number[]): number => (all[index] ?? 0) / done;
    return {
      pruneKept: kept.pruneKept,
      mergeKept: kept.mergeKept,
      ...(merging === undefined ? {} : { merging }),
      ...(selection === undefined ? {} : { selection }),
      gflops: countFlops(network, kept).total / flopsPerGflop,
      distance: mean(distance),
      kl: isKl ? mean(distance) : null,
      agreement: decides ? mean(agreement) : null,
      top1: labelled === 0 ? null : (top1[index] ?? 0) / labelled,
    };
  });
  const drawn = measured.slice(0, random.length);
  return {
    images: done,
    objective: objective.name,
    random: drawn,
    placed: measured
      .slice(random.length)
      .map((own, index) => ({ name: placed[index]?.name ?? '', ...own, ...ranksAmong(own, drawn) })),
    saved: tree.saved,
  };
}

/** What a schedule's ranks depend on. */
type Ranked = Pick<RankedSchedule, 'distance' | 'kl' | 'top1'>;

/** Ranks of a schedule: one more than there are better ones. */
export function ranksAmong(own: Ranked, others: readonly Ranked[]): Ranks {
  const { distance, kl, top1 } = own;
  const rankByDistance = others.filter((other) => other.distance < distance).length + 1;
  const moreRight = top1 === null ? null : others.filter((other) => (other.top1 ?? 0) > top1).length;
  return {
    rankByDistance,
    rankByKl: kl === null ? null : rankByDistance,
    rankByTop1: moreRight === null ? null : moreRight + 1,
  };
}

/** Answers of the uncompressed network on the sample, `[images, D]`. */
async function plainAnswers(networks: BlockNetworks, network: Network, sample: Sample): Promise<Float32Array> {
  const { size } = network.answers;
  const tree = scheduleTree([uncompressed(network.depth, tokensOf(network))], network);
  const answers = new Float32Array(sample.images * size);
  for (let done = 0; done < sample.images; done += batchSize) {
    const { count, pixels } = batchOf(sample, done);
    await runSchedules(networks, tree, pixels, (_, own) => answers.set(own.subarray(0, count * size), done * size));
  }
  return answers;
}

/** Sum over images of the distances of answers `[n, D]` from those of the plain network. */
function distancesOf(objective: Objective, answers: Float32Array, reference: Float32Array, size: number): number {
  const targets = rowsOf(objective.targets(reference), objective.targetSize);
  return rowsOf(answers, size).reduce(
    (sum, answer, image) => sum + objective.distance(targets[image] as Float32Array, answer),
    0,
  );
}

/** Images that have a label. */
const labelledIn = (labels: Int32Array | undefined): number => labels?.filter((label) => label >= 0).length ?? 0;

/** Images of a sample from one on: pixels of a whole batch, zeros where there are no more. */
function batchOf(
  { images, imageSize, pixels, labels }: Sample,
  first: number,
): { readonly count: number; readonly pixels: Float32Array; readonly labels: Int32Array | undefined } {
  const count = Math.min(batchSize, images - first);
  const own = new Float32Array(batchSize * imageSize);
  own.set(pixels.subarray(first * imageSize, (first + count) * imageSize));
  return { count, pixels: own, labels: labels?.subarray(first, first + count) };
}

interface Sample {
  readonly images: number;
  /** Numbers of an image's pixels. */
  readonly imageSize: number;
  readonly pixels: Float32Array;
  readonly labels: Int32Array | undefined;
}

/**
 * Centre crops of a random part of the folder, the same for the same seed; images that cannot be
 * decoded are left out.
 */
async function loadSample(model: Model, options: RankingOptions): Promise<Sample> {
  const { network, preprocessing } = model;
  const { seed, onWarning } = options;
  const folder = imagesFor(model, options.source, { onWarning });
  checkLabels(folder, classesOf(network.answers));
  const images = shuffledSample(folder.images, options.images, seed, 'ranking');
  const count = images.length;
  const loader = createImageLoader({ source: { ...folder, images }, preprocessing, batchSize, onWarning });
  const imageSize = pixelCount(network.input);
  const pixels = new Float32Array(count * imageSize);
  const labels = new Int32Array(count);
  let [loaded, labelled] = [0, false];
  try {
    for await (const batch of loader) {
      pixels.set(batch.pixels, loaded * imageSize);
      if (batch.labels !== undefined) {
        labels.set(batch.labels, loaded);
        labelled = true;
      }
      loaded += batch.indices.length;
    }
  } finally {
    await loader.close();
  }
  return { images: loaded, imageSize, pixels, labels: labelled ? labels.subarray(0, loaded) : undefined };
}
