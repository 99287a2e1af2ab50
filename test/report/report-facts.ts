/**
 * A compression as its report takes it, made up but for the pictures, with names that try to break
 * out of the page.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ImagePrediction } from '../../src/evaluation/predictions.ts';
import type { EvaluationResult } from '../../src/evaluation/evaluation-options.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import type { ThroughputRun } from '../../src/evaluation/throughput.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { changedImages } from '../../src/report/changed-images.ts';
import { drawPictures } from '../../src/report/picture-series.ts';
import type { CompressionFacts } from '../../src/report/report.ts';
import { randomModel, smallSchedule, writeRandomImage } from '../random-network.ts';

/** A file name that would be script if it were not escaped. */
export const hostileName = `<img src=x onerror=alert(1)> & "'quoted'".png`;

const run = (batch: number, before: number, after: number): ThroughputRun => ({
  batch,
  device: 'cpu',
  imagesPerSecond: (1000 * batch) / after,
  baselineImagesPerSecond: (1000 * batch) / before,
  speedup: before / after,
  flopsRatio: 1.6,
  milliseconds: after,
  baselineMilliseconds: before,
});

export const result = (changes: Partial<EvaluationResult>): EvaluationResult => ({
  model: 'small-vit',
  method: 'diffrate',
  schedule: null,
  skipped: [],
  gflops: 0.001,
  imagesPerSecond: 100,
  images: 40,
  top1: 75,
  top5: 95,
  loss: 1.25,
  agreement: 97.5,
  kl: 0.0123,
  objective: { name: 'classDivergence', value: 0.0123, unit: 'nats' },
  featureDistance: null,
  neighbourAgreement: null,
  ...changes,
});

/** Guesses of both networks for an image, of classes 3 and, where it changed, 1. */
const predicted = (file: string, distance: number, changed = true): ImagePrediction => ({
  file,
  label: 3,
  before: [{ class: 3, probability: 0.612 }],
  after: [changed ? { class: 1, probability: 0.5234 } : { class: 3, probability: 0.9999 }],
  kept: [{ class: 3, probability: changed ? 0.3 : 0.9999 }],
  distance,
});

/** Ten images of which nine changed; of two of them there are files. */
export const predictions: readonly ImagePrediction[] = [
  predicted('plain.png', 0.001, false),
  predicted(hostileName, 0.5),
  ...Array.from({ length: 8 }, (_, index) => predicted(`gone-${index}.png`, 0.1 + index / 100)),
];

/** Class 1 has a name that tries to be script; nobody named class 3. */
export const labels = { 1: '<script>alert(3)</script>' };

/** Draws two images of `directory` and makes up the rest. */
export async function compressionFacts(directory: string): Promise<CompressionFacts> {
  mkdirSync(directory, { recursive: true });
  await writeRandomImage(join(directory, hostileName), 50, 40);
  await writeRandomImage(join(directory, 'plain.png'), 40, 50, 2);
  const folder = await openImageFolder(directory);
  const model = randomModel();
  const pictures = await drawPictures({
    network: model,
    reducer: diffRate(smallSchedule, model.network),
    source: folder,
    images: folder.images,
    blocks: [1, 4],
  });
  return {
    model: 'small <script>alert(2)</script> vit',
    network: model.network,
    schedule: smallSchedule,
    target: { value: 0.001, unit: 'GFLOPs' },
    measurements: {
      gflops: { before: 0.002, after: 0.001, realBefore: 0.002, realAfter: 0.0009 },
      evaluation: {
        before: result({ top1: 76.25, agreement: 100, kl: 0 }),
        after: result({ skipped: [{ file: 'x.png', reason: 'broken' }] }),
      },
      data: '40 images of <b>mine</b>',
      runs: [run(1, 10, 6), run(16, 120, 70)],
      machine: '2 cores of "a machine"',
    },
    history: [
      ...Array.from({ length: 900 }, (_, step) => ({
        phase: 'gradients' as const,
        step,
        loss: 0.02 - step * 1e-5,
        cost: 0.001,
      })),
      ...Array.from({ length: 5 }, (_, step) => ({
        phase: 'local search' as const,
        step: 8 * step,
        loss: 0.01,
        cost: 0.001,
      })),
    ],
    pictures,
    predictions,
    changes: await changedImages({ predictions, source: folder, preprocessing: model.preprocessing }),
    labels,
    files: {
      original: { name: 'weights/<b>x</b>.safetensors', bytes: 2_000_000, parameterCount: 500_000 },
      written: [
        { path: 'onnx/model.onnx', bytes: 2_100_000 },
        { path: 'config.json', bytes: 1200 },
        { path: 'README.md', bytes: 800 },
      ],
    },
    next: [{ title: 'With <i>a program</i>', code: `run('<b>./out</b>/${'long'.repeat(60)}');` }],
    provenance: { command: `diffrate compress '<i>x</i>'`, facts: [['seed', 0]] },
  };
}
