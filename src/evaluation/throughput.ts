/**
 * Throughput and latency of a compressed network beside the plain one: both run in turns in one process on the same pixels,
 * and medians are compared. What a schedule saves in FLOPs is printed next to what it saves in time.
 */
import { countGraphFlops } from '../cost/graph-flops.ts';
import { baselineRealFlops, countRealFlops } from '../cost/real-flops.ts';
import { RandomGenerator } from '../data/random.ts';
import { tokenCount } from '../models/configuration.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import { keepAllTokens } from '../reduction/token-reducer.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import { timeAlternately } from './alternate.ts';
import type { AlternationOptions } from './alternate.ts';
import { NetworkSession } from '../loading/network-session.ts';
import type { Network } from '../loading/network-session.ts';

/** What to measure. */
export interface ThroughputOptions extends SessionOptions, Pick<AlternationOptions, 'rounds' | 'warmUp'> {
  /** Kept numbers; with neither these nor a reducer the plain network alone is timed. */
  readonly schedule?: KeptNumbers;
  /** A method in place of a schedule. */
  readonly reducer?: TokenReducer;
  /** Batch sizes, default 1 and 16. */
  readonly batches?: readonly number[];
  /** Seed of the pixels, default 0. */
  readonly seed?: number;
  /** Called after each round of runs; rounds of all batch sizes are counted together. */
  readonly onProgress?: (done: number, of: number) => void;
}

/** Medians at one batch size. */
export interface ThroughputRun {
  readonly batch: number;
  readonly device: string;
  readonly imagesPerSecond: number;
  /** Of the plain network. */
  readonly baselineImagesPerSecond: number;
  /** `imagesPerSecond / baselineImagesPerSecond` */
  readonly speedup: number;
  /**
   * FLOPs that the plain network computes ÷ FLOPs that the compressed one computes (`real-flops.ts`, `graph-flops.ts`): the speed-up of
   * a machine whose time is FLOPs alone.
   */
  readonly flopsRatio: number;
  /** Time of one run of the whole batch in ms; the latency of one image where the batch is 1. */
  readonly milliseconds: number;
  readonly baselineMilliseconds: number;
}

const rounds = 15;
const warmUpRounds = 3;

/** Measures each batch size in turn. */
export async function measureThroughput(model: Network, options: ThroughputOptions = {}): Promise<ThroughputRun[]> {
  const { batches = [1, 16], seed = 0, device = 'cpu', onProgress } = options;
  const timing = { rounds: options.rounds ?? rounds, warmUp: options.warmUp ?? warmUpRounds };
  const roundsPerBatch = timing.rounds + timing.warmUp;
  const reducer =
    options.schedule === undefined ? options.reducer : diffRate(options.schedule, tokenCount(model.configuration));
  const runs: ThroughputRun[] = [];
  for (const [index, batch] of batches.entries()) {
    const sessions: NetworkSession[] = [];
    try {
      sessions.push(await NetworkSession.load(model, { ...options, batch, reducer: undefined }));
      if (reducer !== undefined) sessions.push(await NetworkSession.load(model, { ...options, batch, reducer }));
      const pixels = randomPixels(model.configuration, batch, seed);
      const jobs = sessions.map((session) => () => session.run(pixels));
      const onRound = (done: number): void =>
        onProgress?.(index * roundsPerBatch + done, batches.length * roundsPerBatch);
      const [baseline, own = baseline] = await timeAlternately(jobs, { ...timing, onRound });
      runs.push({
        batch,
        device,
        ...ratios(batch, own?.milliseconds ?? 0, baseline?.milliseconds ?? 0),
        flopsRatio: flopsRatio(model.configuration, options),
      });
    } finally {
      await Promise.all(sessions.map((session) => session.dispose()));
    }
  }
  return runs;
}

/** Normally distributed values, as normalised pixels roughly are; the same for the same seed. `[batch, 3, S, S]` */
export function randomPixels({ inputSize }: VisionTransformerConfiguration, batch: number, seed: number): Float32Array {
  const random = new RandomGenerator(seed);
  return Float32Array.from({ length: batch * 3 * inputSize ** 2 }, () => random.normal());
}

function ratios(
  batch: number,
  milliseconds: number,
  baselineMilliseconds: number,
): Omit<ThroughputRun, 'batch' | 'device' | 'flopsRatio'> {
  return {
    imagesPerSecond: (1000 * batch) / milliseconds,
    baselineImagesPerSecond: (1000 * batch) / baselineMilliseconds,
    speedup: baselineMilliseconds / milliseconds,
    milliseconds,
    baselineMilliseconds,
  };
}

function flopsRatio(configuration: VisionTransformerConfiguration, { schedule, reducer }: ThroughputOptions): number {
  if (schedule === undefined && reducer === undefined) return 1;
  const compressed =
    schedule === undefined
      ? countGraphFlops(configuration, reducer ?? keepAllTokens)
      : countRealFlops(configuration, schedule).total;
  return baselineRealFlops(configuration).total / compressed;
}
