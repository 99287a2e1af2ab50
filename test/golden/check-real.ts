/**
 * Real weights and real images against the authors' implementation: metrics of every published
 * DeiT-T schedule on 650 ImageNet validation images, for DeiT-T and carried over to ViT-Ti, and
 * logits image by image.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors } from '../../src/checkpoints/safetensors-file.ts';
import { float32Values } from '../../src/checkpoints/weights.ts';
import type { WeightTensor } from '../../src/checkpoints/weights.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import { evaluateVariants } from '../../src/evaluation/evaluate.ts';
import type { EvaluationResult } from '../../src/evaluation/evaluation-options.ts';
import { loadModel } from '../../src/loading/load-model.ts';
import { findPublishedSchedule } from '../../src/reduction/published-schedules.ts';
import { exactly } from './quantity.ts';
import type { Quantity } from './quantity.ts';

const data = process.env['DIFFRATE_DATA'] ?? '../shared/data';
const budgets = ['1.0', '0.9', '0.8', '0.7', '0.6'];
const classes = 1000;
/**
 * Points of top-1 (two of 650 images), relative difference of the divergence, and of the loss in
 * nats.
 */
const tolerance = { percent: 0.31, kl: 0.03, loss: 0.005 };
/**
 * Share of the largest logit: on the plain network, and on a compressed one, where near-ties may
 * flip for one image in a hundred.
 */
const logitTolerance = { plain: 1e-3, compressed: 1e-2, flipped: 0.01 };

interface GoldenRow {
  readonly top1: number;
  readonly top5: number;
  readonly loss: number;
  readonly agreement?: number;
  readonly kl?: number;
}

/** Logits of all images under one variant, filled batch by batch. */
type Collected = ReadonlyMap<number, Float32Array>;

const weightsOf = (name: string): string => join(data, 'weights', `${name}.safetensors`);
const imagesFolder = join(data, 'imagenet-val');

/** The first of the files that a case needs and that is not there. */
export function missingForReal(name: string): string | undefined {
  return [weightsOf(name), imagesFolder].find((path) => !existsSync(path));
}

async function evaluate(name: string): Promise<{ results: EvaluationResult[]; logits: Collected }> {
  const model = await loadModel(name, { weights: weightsOf(name) });
  const folder = await openImageFolder(imagesFolder);
  const schedules = budgets.map((budget) => findPublishedSchedule(`deit_tiny_patch16_224@${budget}`));
  const logits: Collected = new Map(
    [0, 1 + budgets.indexOf('0.8')].map((variant) => [variant, new Float32Array(folder.images.length * classes)]),
  );
  const results = await evaluateVariants(
    model,
    [{}, ...schedules.map((schedule) => ({ schedule, scheduleName: schedule.name }))],
    {
      images: folder,
      strict: true,
      onAnswers: (batch) => {
        batch.indices.forEach((image, row) =>
          logits.get(batch.variant)?.set(batch.answers.subarray(row * classes, (row + 1) * classes), image * classes),
        );
      },
    },
  );
  return { results, logits };
}

/** Largest difference per image, as a share of the largest logit of all. */
function errorsPerImage(actual: Float32Array, wanted: Float32Array): number[] {
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return Array.from({ length: wanted.length / classes }, (_, image) => {
    let worst = 0;
    for (let index = image * classes; index < (image + 1) * classes; index++)
      worst = Math.max(worst, Math.abs((actual[index] ?? NaN) - (wanted[index] ?? 0)));
    return worst / largest;
  });
}

function compareMetrics(key: string, own: EvaluationResult, wanted: GoldenRow): Quantity[] {
  const difference = (name: string, found: number | null | undefined, expected: number, most: number): Quantity => ({
    name: `${key}.${name}`,
    error: Math.abs((found ?? NaN) - expected),
    tolerance: most,
  });
  const quantities = [
    exactly(`${key}.images`, own.images, 650),
    difference('top1', own.top1, wanted.top1, tolerance.percent),
    difference('top5', own.top5, wanted.top5, tolerance.percent),
    difference('loss', own.loss, wanted.loss, tolerance.loss),
  ];
  if (wanted.kl !== undefined)
    quantities.push({ name: `${key}.kl`, error: Math.abs((own.kl ?? NaN) / wanted.kl - 1), tolerance: tolerance.kl });
  if (wanted.agreement !== undefined)
    quantities.push(difference('agreement', own.agreement, wanted.agreement, 2 * tolerance.percent));
  return quantities;
}

/** Checks a case: `NAME.json` with a row per budget, `NAME.safetensors` with logits. */
export async function checkReal(directory: string, name: string): Promise<Quantity[]> {
  const rows = JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8')) as Record<string, GoldenRow>;
  const { results, logits } = await evaluate(name);
  const quantities = ['baseline', ...budgets].flatMap((key, index) =>
    compareMetrics(key, results[index] as EvaluationResult, rows[key] as GoldenRow),
  );
  const tensors = await readSafetensors(join(directory, `${name}.safetensors`));
  const errorsOf = (variant: number, key: string): number[] =>
    errorsPerImage(logits.get(variant) as Float32Array, float32Values(tensors.get(key) as WeightTensor));
  const plain = errorsOf(0, 'baseline.logits');
  const compressed = errorsOf(1 + budgets.indexOf('0.8'), 'schedule@0.8.logits');
  const flipped = compressed.filter((error) => !(error < logitTolerance.compressed)).length / compressed.length;
  quantities.push(
    { name: 'baseline.logits', error: Math.max(...plain), tolerance: logitTolerance.plain },
    { name: '0.8.logits (share of images with others)', error: flipped, tolerance: logitTolerance.flipped },
  );
  return quantities;
}
