/**
 * Throughput and latency of a compressed network beside the plain one: both run in turns in one process on the same
 * pixels, and medians are compared. What a schedule saves in FLOPs is printed next to what it saves in time.
 */
import { countGraphFlops } from '../cost/graph-flops.ts';
import { RandomGenerator } from '../data/random.ts';
import { NetworkSession, pixelCount } from '../execution/network-session.ts';
import type { Model } from '../networks/model.ts';
import type { Network } from '../networks/network.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import type { Runtime, SessionOptions } from '../runtime/runtime.ts';
import { timeAlternately } from './alternate.ts';
import type { AlternationOptions } from './alternate.ts';

/** What to measure. */
export interface ThroughputOptions extends SessionOptions, Pick<AlternationOptions, 'rounds' | 'warmUp'> {
  /** Kept numbers; with neither these nor a reducer the plain network alone is timed. */
  readonly schedule?: KeptNumbers;
  /** A method in place of a schedule. */
  readonly reducer?: TokenReducer;
  /** Batch sizes, default 1 and 16. */
  readonly batches?: readonly number[];
  /** Where networks run; by default ONNX Runtime for Node. */
  readonly runtime?: Runtime | undefined;
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
   * FLOPs that the plain network really computes ÷ FLOPs that the compressed one does (`graph-flops.ts`): the speed-up
   * of a machine whose time is FLOPs alone.
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
  const { batches = [1, 16], seed = 0, device = 'cpu', runtime = nodeRuntime, onProgress } = options;
  const { network } = model;
  const timing = { rounds: options.rounds ?? rounds, warmUp: options.warmUp ?? warmUpRounds };
  const roundsPerBatch = timing.rounds + timing.warmUp;
  const reducer = options.schedule === undefined ? options.reducer : diffRate(options.schedule, network);
  const flopsRatio = reducer === undefined ? 1 : countGraphFlops(network) / countGraphFlops(network, reducer);
  const runs: ThroughputRun[] = [];
  for (const [index, batch] of batches.entries()) {
    const sessions: NetworkSession[] = [];
    const load = async (reduced?: TokenReducer): Promise<void> => {
      sessions.push(await NetworkSession.load(model, { ...options, runtime, batch, reducer: reduced }));
    };
    try {
      await load();
      if (reducer !== undefined) await load(reducer);
      const pixels = randomPixels(network, batch, seed);
      const jobs = sessions.map((session) => () => session.run(pixels));
      const onRound = (done: number): void =>
        onProgress?.(index * roundsPerBatch + done, batches.length * roundsPerBatch);
      const [baseline, own = baseline] = await timeAlternately(jobs, { ...timing, onRound });
      runs.push({
        batch,
        device,
        ...ratios(batch, own?.milliseconds ?? 0, baseline?.milliseconds ?? 0),
        flopsRatio,
      });
    } finally {
      await Promise.all(sessions.map((session) => session.dispose()));
    }
  }
  return runs;
}

/**
 * Normally distributed values, as normalised pixels roughly are; the same for the same seed. `[batch, channels, height,
 * width]`
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
