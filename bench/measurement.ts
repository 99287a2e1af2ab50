/** What a measurement is, and what all of them need: the real DeiT-T and pixels. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { median } from 'd3-array';
import type { Timing } from '../src/evaluation/alternate.ts';
import { randomPixels } from '../src/evaluation/throughput.ts';
import { loadModel } from '../src/loading/load-model.ts';
import type { LoadedModel } from '../src/loading/model-from-files.ts';
import { findPublishedSchedule } from '../src/reduction/published-schedules.ts';
import type { Schedule } from '../src/reduction/schedule.ts';
import { floats } from '../src/runtime/runtime.ts';
import type { RuntimeTensor } from '../src/runtime/runtime.ts';

/** One measurement. */
export interface Measurement {
  /** As in `npm run bench -- NAME`. */
  readonly name: string;
  readonly description: string;
  /** Files of the data folder without which it cannot be made. */
  readonly needs: readonly string[];
  /** Lines with medians and ratios. */
  readonly run: () => Promise<string[]>;
}

/** Runs that count, and runs before them that do not. */
export const timing = { rounds: 15, warmUp: 3 } as const;

/** The network that is measured. */
export const modelName = 'deit_tiny_patch16_224';

/** DeiT-T's checkpoint in the data folder. */
export const weightsFile = `weights/${modelName}.safetensors`;

/** A path in the data folder. */
export function dataPath(path: string): string {
  return join(process.env['DIFFRATE_DATA'] ?? '../shared/data', path);
}

/** Which of a measurement's files are missing. */
export function missingFiles({ needs }: Measurement): string[] {
  return needs.map(dataPath).filter((path) => !existsSync(path));
}

/** DeiT-T with its weights. */
export async function loadDeitTiny(): Promise<LoadedModel> {
  return loadModel(modelName, { weights: dataPath(weightsFile) });
}

/** The schedule published for DeiT-T at 0.8 GFLOPs. */
export function publishedSchedule(): Schedule {
  return findPublishedSchedule(`${modelName}@0.8`);
}

/** Pixels of a batch, the same in every run. */
export function pixelsFor({ network }: LoadedModel, batch: number): RuntimeTensor {
  const { channels, height, width } = network.input;
  return floats(randomPixels(network, batch, 0), [batch, channels, height, width]);
}

/**
 * Median over rounds of how many times as long the first job took as the second in the same round.
 */
export function pairedRatio([first, second]: readonly Timing[]): number {
  return median(first?.all ?? [], (milliseconds, round) => milliseconds / (second?.all[round] ?? NaN)) ?? NaN;
}

/** `123.4 ms`. */
export const formatMilliseconds = (milliseconds: number): string => `${milliseconds.toFixed(1)} ms`;
