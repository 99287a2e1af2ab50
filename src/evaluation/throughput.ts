/**
 * Throughput and latency of a compressed network beside the plain one: both run in turns in one
 * process on the same pixels, and medians are compared. What a schedule saves in FLOPs is printed
 * next to what it saves in time.
 */
import { countFlops } from '../cost/flops.ts';
import { countGraphFlops } from '../cost/graph-flops.ts';
import { RandomGenerator } from '../data/random.ts';
import { NetworkSession, pixelCount } from '../execution/network-session.ts';
import type { Model } from '../networks/model.ts';
import type { Network } from '../networks/network.ts';
import type { Parameters } from '../nn/parameters.ts';
import type { OnnxFile } from '../onnx/onnx-file.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import { guardedRuntime } from '../runtime/guarded-runtime.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import type { Runtime, SessionOptions } from '../runtime/runtime.ts';
import { timeAlternately } from './alternate.ts';
import type { AlternationOptions } from './alternate.ts';

/** A network that is timed beside the plain one. */
export interface TimedVariant {
  /** Kept numbers, for DiffRate. */
  readonly schedule?: KeptNumbers | undefined;
  /** A method in place of a schedule. */
  readonly reducer?: TokenReducer | undefined;
  /** Weights in place of the model's: those of a correction. */
  readonly parameters?: Parameters | undefined;
  /**
   * The network as a file, which runs in place of the graph that would be built. The schedule or
   * the reducer says what is fixed in it.
   */
  readonly file?: OnnxFile | undefined;
}

/** How to measure. */
export interface TimingOptions extends SessionOptions, Pick<AlternationOptions, 'rounds' | 'warmUp'> {
  /** Batch sizes, default 1 and 16. */
  readonly batches?: readonly number[] | undefined;
  /** Where networks run; by default ONNX Runtime for Node. */
  readonly runtime?: Runtime | undefined;
  /** Seed of the pixels, default 0. */
  readonly seed?: number | undefined;
  /** Called after each round of runs; rounds of all batch sizes are counted together. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
}

/** What to measure, and how; without any variant the plain network alone is timed. */
export interface ThroughputOptions extends TimingOptions, TimedVariant {}

/** How to measure variants of which some may fail. */
export interface EachTimingOptions extends TimingOptions {
  /**
   * Called for a variant that cannot be loaded or run. What it throws ends the measurement;
   * otherwise that variant is left out from then on.
   */
  readonly onFailure: (variant: number, error: unknown) => void;
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
   * FLOPs that the plain network really computes ÷ FLOPs that the compressed one does
   * (`graph-flops.ts`): the speed-up of a machine whose time is FLOPs alone.
   */
  readonly flopsRatio: number;
  /** Time of one run of the whole batch in ms; the latency of one image where the batch is 1. */
  readonly milliseconds: number;
  readonly baselineMilliseconds: number;
}

const rounds = 15;
const warmUpRounds = 3;

/**
 * Measures each batch size in turn.
 * @throws {DiffrateError} if the device cannot run the network
 */
export async function measureThroughput(model: Model, options: ThroughputOptions = {}): Promise<ThroughputRun[]> {
  const { schedule, reducer, parameters, file, ...timing } = options;
  const isPlain = [schedule, reducer, parameters, file].every((given) => given === undefined);
  const onFailure = (_: number, error: unknown): void => {
    throw error;
  };
  const variants: TimedVariant[] = isPlain ? [] : [options];
  const timed = await timeVariants(model, variants, { ...timing, onFailure });
  return timed.map(({ plain, own: [own = plain] }) => own);
}

/**
 * Measures several networks at each batch size, all of them and the plain one in turns. One that
 * fails need not cost the others their results.
 * @returns of each variant its runs, one per batch size; none where it failed.
 * @throws {DiffrateError} if the device cannot run the plain network
 */
export async function measureEach(
  model: Model,
  variants: readonly TimedVariant[],
  options: EachTimingOptions,
): Promise<ThroughputRun[][]> {
  const failed = new Set<number>();
  const onFailure = (index: number, error: unknown): void => {
    failed.add(index);
    options.onFailure(index, error);
  };
  const timed = await timeVariants(model, variants, { ...options, onFailure });
  return variants.map((_, index) => (failed.has(index) ? [] : timed.flatMap(({ own }) => own[index] ?? [])));
}

/** One batch size. */
interface TimedBatch {
  /** The plain network beside itself. */
  readonly plain: ThroughputRun;
  /** In the order of the variants; `undefined` for one that has failed. */
  readonly own: readonly (ThroughputRun | undefined)[];
}

async function timeVariants(
  model: Model,
  variants: readonly TimedVariant[],
  options: EachTimingOptions,
): Promise<TimedBatch[]> {
  const { batches = [1, 16], device = 'cpu', onProgress } = options;
  const { network } = model;
  const timing = { rounds: options.rounds ?? rounds, warmUp: options.warmUp ?? warmUpRounds };
  const roundsPerBatch = timing.rounds + timing.warmUp;
  const computed = variants.map((variant) => countGraphFlops(network, reducerOf(network, variant)));
  const failed = new Set<number>();
  const timed: TimedBatch[] = [];
  for (const [index, batch] of batches.entries()) {
    const onRound = (done: number): void =>
      onProgress?.(index * roundsPerBatch + done, batches.length * roundsPerBatch);
    const [plain, ...own] = await timeBatch(model, variants, options, { batch, failed, ...timing, onRound });
    const runOf = (milliseconds: number, flopsRatio: number): ThroughputRun => ({
      batch,
      device,
      ...ratios(batch, milliseconds, plain ?? 0),
      flopsRatio,
    });
    timed.push({
      plain: runOf(plain ?? 0, 1),
      own: own.map((milliseconds, variant) =>
        milliseconds === undefined
          ? undefined
          : runOf(milliseconds, countGraphFlops(network) / (computed[variant] ?? 1)),
      ),
    });
  }
  return timed;
}

interface BatchTiming extends AlternationOptions {
  readonly batch: number;
  /** Variants that have failed, and are left out. */
  readonly failed: Set<number>;
}

/** Milliseconds of the plain network and of each variant; `undefined` for one that has failed. */
async function timeBatch(
  model: Model,
  variants: readonly TimedVariant[],
  options: EachTimingOptions,
  { batch, failed, ...timing }: BatchTiming,
): Promise<(number | undefined)[]> {
  const { seed = 0, onFailure } = options;
  const runtime = guardedRuntime(options.runtime ?? nodeRuntime);
  const { network } = model;
  const sessions = new Map<number, NetworkSession>();
  /** Does something for a variant, unless that has failed; the plain network may not. */
  const attempt = async (variant: number, work: () => Promise<unknown>): Promise<void> => {
    if (failed.has(variant)) return;
    try {
      await work();
    } catch (error) {
      failed.add(variant);
      onFailure(variant, error);
    }
  };
  const load = async (variant?: TimedVariant): Promise<NetworkSession> => {
    const reducer = variant === undefined ? undefined : reducerOf(network, variant);
    const loaded = { network, parameters: variant?.parameters ?? model.parameters };
    return NetworkSession.load(loaded, { ...options, runtime, batch, reducer, file: variant?.file });
  };
  const plain = await load();
  try {
    for (const [index, variant] of variants.entries())
      await attempt(index, async () => sessions.set(index, await load(variant)));
    const pixels = randomPixels(network, batch, seed);
    const jobs = [
      () => plain.run(pixels),
      ...variants.map((_, index) => () => attempt(index, async () => sessions.get(index)?.run(pixels))),
    ];
    const timings = await timeAlternately(jobs, timing);
    return timings.map(({ milliseconds }, job) => (failed.has(job - 1) ? undefined : milliseconds));
  } finally {
    await Promise.all([plain, ...sessions.values()].map((session) => session.dispose()));
  }
}

function reducerOf(network: Network, { schedule, reducer }: TimedVariant): TokenReducer | undefined {
  if (schedule === undefined) return reducer;
  // Lists of another length than the network's are found here.
  countFlops(network, schedule);
  return diffRate(schedule, network);
}

/**
 * Normally distributed values, as normalised pixels roughly are; the same for the same seed.
 * `[batch, channels, height, width]`
 */
export function randomPixels({ input }: Pick<Network, 'input'>, batch: number, seed: number): Float32Array {
  const random = new RandomGenerator(seed);
  return Float32Array.from({ length: batch * pixelCount(input) }, () => random.normal());
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
