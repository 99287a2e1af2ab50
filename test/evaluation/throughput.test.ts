/** Measurements: what is run how often, and how medians become ratios. No time is asserted. */
import { median } from 'd3-array';
import { describe, expect, it } from 'vitest';
import { countGraphFlops } from '../../src/cost/graph-flops.ts';
import { timeAlternately } from '../../src/evaluation/alternate.ts';
import { measureEach, measureThroughput, randomPixels } from '../../src/evaluation/throughput.ts';
import { networkModel } from '../../src/execution/network-session.ts';
import { onnxFileOf } from '../../src/onnx/onnx-file.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { smallNetwork } from './small-network.ts';

const model = smallNetwork();
const { network } = model;
const schedule = { pruneKept: [17, 14, 10, 6], mergeKept: [17, 12, 8, 3] };

describe('timeAlternately', () => {
  it('runs every job once per round, in an order that turns around', async () => {
    const order: string[] = [];
    const rounds: number[] = [];
    const job = (name: string) => async (): Promise<void> => void order.push(name);
    const timings = await timeAlternately([job('a'), job('b')], {
      rounds: 3,
      warmUp: 1,
      onRound: (done, of) => rounds.push(done / of),
    });
    expect(order.join('')).toBe('abbaabba');
    expect(timings.map(({ all }) => all.length)).toEqual([3, 3]);
    expect(rounds).toEqual([0.25, 0.5, 0.75, 1]);
    expect(timings[0]?.milliseconds).toBe(median(timings[0]?.all ?? []));
  });
});

describe('measureThroughput', () => {
  it('refuses a schedule of another number of blocks', async () => {
    const short = { pruneKept: [17, 14], mergeKept: [17, 12] };
    await expect(measureThroughput(model, { schedule: short, batches: [1] })).rejects.toThrow(/blocks/);
  });

  it('gives one run per batch size, with ratios that fit its times', async () => {
    const progress: string[] = [];
    const runs = await measureThroughput(model, {
      schedule,
      batches: [1, 3],
      rounds: 2,
      warmUp: 1,
      onProgress: (done, of) => progress.push(`${done}/${of}`),
    });
    expect(runs.map(({ batch, device }) => `${batch} ${device}`)).toEqual(['1 cpu', '3 cpu']);
    expect(progress).toEqual(['1/6', '2/6', '3/6', '4/6', '5/6', '6/6']);
    for (const run of runs) {
      expect(run.imagesPerSecond).toBeCloseTo((1000 * run.batch) / run.milliseconds, 6);
      expect(run.speedup).toBeCloseTo(run.imagesPerSecond / run.baselineImagesPerSecond, 9);
      expect(run.flopsRatio).toBeCloseTo(
        countGraphFlops(network) / countGraphFlops(network, diffRate(schedule, network)),
        9,
      );
    }
  });

  it('compares the plain network with itself without a schedule, and reads the FLOPs of a reducer off its graph', async () => {
    const options = { batches: [1], rounds: 1, warmUp: 0 };
    expect((await measureThroughput(model, options))[0]).toMatchObject({ speedup: 1, flopsRatio: 1 });
    const reducer = diffRate(schedule, network);
    expect((await measureThroughput(model, { ...options, reducer }))[0]?.flopsRatio).toBeCloseTo(
      countGraphFlops(network) / countGraphFlops(network, reducer),
      9,
    );
  });

  it('times a file in place of the graph', async () => {
    const file = onnxFileOf(networkModel(model, diffRate(schedule, network)));
    const options = { batches: [1], rounds: 1, warmUp: 0, threads: 1 };
    const files: number[] = [];
    const runtime: Runtime = {
      load: (loaded, settings) => {
        files.push('bytes' in loaded ? loaded.bytes.length : 0);
        return nodeRuntime.load(loaded, settings);
      },
    };
    const [run] = await measureThroughput(model, { ...options, runtime, schedule, file });
    expect(files).toEqual([0, file.bytes.length]);
    expect(run?.flopsRatio).toBeCloseTo(
      countGraphFlops(network) / countGraphFlops(network, diffRate(schedule, network)),
    );
  });

  it('times several in turns, and leaves out what fails', async () => {
    const file = onnxFileOf(networkModel(model, diffRate(schedule, network)));
    const broken = { bytes: file.bytes.slice(0, 100) };
    const failures: number[] = [];
    const runs = await measureEach(model, [{ schedule, file: broken }, { schedule, file }, {}], {
      batches: [1, 2],
      rounds: 2,
      warmUp: 0,
      threads: 1,
      onFailure: (variant) => failures.push(variant),
    });
    expect(failures).toEqual([0]);
    expect(runs.map((each) => each.map(({ batch }) => batch))).toEqual([[], [1, 2], [1, 2]]);
    // All of a batch size are compared with the same runs of the plain network.
    for (const index of [0, 1])
      expect(runs[1]?.[index]?.baselineMilliseconds).toBe(runs[2]?.[index]?.baselineMilliseconds);
    expect(runs[2]?.[0]?.flopsRatio).toBe(1);
  });

  it('draws the same pixels for the same seed', () => {
    expect(randomPixels(network, 2, 5)).toEqual(randomPixels(network, 2, 5));
    expect(randomPixels(network, 2, 5)).not.toEqual(randomPixels(network, 2, 6));
    expect(randomPixels(network, 2, 5)).toHaveLength(2 * 3 * 32 * 32);
  });
});
