/**
 * Where schedules stand among random ones at the same budget (Fig. 4 of DiffRate, arXiv 2305.17997): all of them are evaluated on a small
 * sample of images, leading blocks that are alike computed once, all of them merging alike. A schedule's rank is the number of random ones
 * that are better, plus one.
 */
import { createImageLoader } from '../data/batches.ts';
import { checkLabels } from '../data/image-folder.ts';
import type { ImageFolder } from '../data/image-folder.ts';
import { RandomGenerator } from '../data/random.ts';
import { countFlops } from '../cost/flops.ts';
import { DiffrateError } from '../errors.ts';
import { MetricAccumulator } from '../evaluation/metrics.ts';
import type { Network } from '../loading/network-session.ts';
import { tokenCount } from '../models/configuration.ts';
import { uncompressed } from '../reduction/schedule.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import { BlockNetworks } from '../loading/block-networks.ts';
import { runSchedules } from './run-schedules.ts';
import { scheduleTree } from './schedule-tree.ts';

/** A schedule that is to be placed. */
export interface PlacedSchedule {
  readonly name: string;
  readonly kept: KeptNumbers;
}

/** What to rank, and on what. */
export interface RankingOptions extends SessionOptions {
  readonly folder: ImageFolder;
  /** Images of the sample. */
  readonly images: number;
  /** Of the sample of images. */
  readonly seed: number;
  readonly random: readonly KeptNumbers[];
  readonly placed: readonly PlacedSchedule[];
  /** What was done before. */
  readonly resumed?: RankingSums | undefined;
  /** Called after each batch with what is done by then. */
  readonly onBatch?: (sums: RankingSums) => Promise<void>;
  /** Called after each schedule on each batch. */
  readonly onProgress?: (progress: RankingProgress) => void;
  /** Called once for each image that is left out. */
  readonly onWarning?: (message: string) => void;
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
  readonly kl: readonly number[];
  readonly agreement: readonly number[];
  /** Zeros without labels. */
  readonly top1: readonly number[];
}

/** A schedule with what was measured of it: KL in nats, the others in percent. */
export interface RankedSchedule extends KeptNumbers {
  /** By the paper's count, in 10⁹ multiply-accumulates. */
  readonly gflops: number;
  readonly kl: number;
  readonly agreement: number;
  /** `null` without labels. */
  readonly top1: number | null;
}

/** A placed schedule: ranks count from 1, the best. */
export interface Placement extends RankedSchedule {
  readonly name: string;
  readonly rankByKl: number;
  /** Of equal ones the best rank; `null` without labels. */
  readonly rankByTop1: number | null;
}

/** The ranking. */
export interface Ranking {
  readonly images: number;
  readonly random: readonly RankedSchedule[];
  readonly placed: readonly Placement[];
  /** Share of the FLOPs that computing leading blocks once saved, 0 to 1. */
  readonly saved: number;
}

/** Images that go through a block at once. */
const batchSize = 16;

/** @throws {DiffrateError} where the network answers nothing that schedules could be ranked by */
export function requireClassifier({ name, configuration }: Network): void {
  if (configuration.classes === 0)
    throw new DiffrateError(`${name} has no classifier: schedules cannot be ranked by it.`);
}

/**
 * Evaluates the schedules.
 * @throws {DiffrateError} where the network or the images do not serve
 */
export async function rankSchedules(network: Network, options: RankingOptions): Promise<Ranking> {
  const { random, placed, resumed, onBatch, onProgress } = options;
  const { configuration } = network;
  const { classes, inputSize, depth } = configuration;
  requireClassifier(network);
  checkLabels(options.folder, classes);
  const listed = [...random, ...placed.map(({ kept }) => kept)];
  // The uncompressed network is a schedule, too; it comes first, so that its answers are there to compare the others with.
  const tree = scheduleTree([uncompressed(depth, tokenCount(configuration)), ...listed], configuration);
  // Schedules are compared, not ways to merge: all of them merge as the placed one does.
  const merging = placed.find(({ kept }) => kept.merging !== undefined)?.kept.merging;
  const networks = new BlockNetworks(network, batchSize, options, merging);
  const sample = await loadSample(network, options);
  const sums = resumed ?? {
    images: 0,
    kl: listed.map(() => 0),
    agreement: listed.map(() => 0),
    top1: listed.map(() => 0),
  };
  const imageSize = 3 * inputSize ** 2;
  const [kl, agreement, top1] = [[...sums.kl], [...sums.agreement], [...sums.top1]];
  let done = sums.images;
  const start = performance.now();
  let evaluations = 0;
  try {
    while (done < sample.images) {
      const count = Math.min(batchSize, sample.images - done);
      const pixels = new Float32Array(batchSize * imageSize);
      pixels.set(sample.pixels.subarray(done * imageSize, (done + count) * imageSize));
      const labels = sample.labels?.subarray(done, done + count);
      let reference: Float32Array | undefined;
      const take = (position: number, all: Float32Array): void => {
        const logits = all.subarray(0, count * classes);
        reference ??= logits;
        if (position === 0) return;
        const metrics = new MetricAccumulator(classes);
        metrics.add({ logits, reference, ...(labels && { labels }) });
        const mean = metrics.result();
        const schedule = position - 1;
        kl[schedule] = (kl[schedule] ?? 0) + count * (mean.kl ?? 0);
        agreement[schedule] = (agreement[schedule] ?? 0) + count * (mean.agreement ?? 0);
        top1[schedule] = (top1[schedule] ?? 0) + count * (mean.top1 ?? 0);
        evaluations += 1;
        const of = listed.length * Math.ceil((sample.images - sums.images) / batchSize);
        const secondsLeft = ((performance.now() - start) / 1000 / evaluations) * (of - evaluations);
        onProgress?.({ done: evaluations, of, secondsLeft });
      };
      await runSchedules(networks, tree, pixels, take);
      done += count;
      await onBatch?.({ images: done, kl, agreement, top1 });
    }
  } finally {
    await networks.dispose();
  }
  const measured = listed.map((kept, index): RankedSchedule => {
    const mean = (all: readonly number[]): number => (all[index] ?? 0) / done;
    return {
      pruneKept: kept.pruneKept,
      mergeKept: kept.mergeKept,
      ...(merging === undefined ? {} : { merging }),
      gflops: countFlops(configuration, kept).total / 1e9,
      kl: mean(kl),
      agreement: mean(agreement),
      top1: sample.labels === undefined ? null : mean(top1),
    };
  });
  const drawn = measured.slice(0, random.length);
  return {
    images: done,
    random: drawn,
    placed: measured
      .slice(random.length)
      .map((own, index) => ({ name: placed[index]?.name ?? '', ...own, ...ranksAmong(own, drawn) })),
    saved: tree.saved,
  };
}

/** Ranks of a schedule: one more than there are better ones. */
export function ranksAmong(
  own: Pick<RankedSchedule, 'kl' | 'top1'>,
  others: readonly Pick<RankedSchedule, 'kl' | 'top1'>[],
): { rankByKl: number; rankByTop1: number | null } {
  const { kl, top1 } = own;
  const better = others.filter((other) => other.kl < kl).length;
  const moreRight = top1 === null ? null : others.filter((other) => (other.top1 ?? 0) > top1).length;
  return { rankByKl: better + 1, rankByTop1: moreRight === null ? null : moreRight + 1 };
}

interface Sample {
  readonly images: number;
  readonly pixels: Float32Array;
  readonly labels: Int32Array | undefined;
}

/** Centre crops of a random part of the folder, the same for the same seed; images that cannot be decoded are left out. */
async function loadSample(network: Network, options: RankingOptions): Promise<Sample> {
  const { folder, seed, onWarning } = options;
  const { preprocessing, inputSize } = network.configuration;
  const count = Math.min(options.images, folder.images.length);
  const order = new RandomGenerator(seed).fork('ranking').permutation(folder.images.length);
  const images = Array.from(order.subarray(0, count), (index) => folder.images[index]).filter(
    (image) => image !== undefined,
  );
  const loader = createImageLoader({ folder: { ...folder, images }, preprocessing, batchSize, onWarning });
  const imageSize = 3 * inputSize ** 2;
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
  return { images: loaded, pixels, labels: labelled ? labels.subarray(0, loaded) : undefined };
}
