/**
 * Real weights and real images against the authors' implementation: metrics of every published DeiT-T schedule on 650
 * ImageNet validation images, for DeiT-T and carried over to ViT-Ti, and logits image by image.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/checkpoints/load.ts';
import { readSafetensors } from '../../src/checkpoints/safetensors-file.ts';
import { float32Values } from '../../src/checkpoints/weights.ts';
import type { WeightTensor, Weights } from '../../src/checkpoints/weights.ts';
import { openImageFolder } from '../../src/data/image-folder.ts';
import { evaluateVariants } from '../../src/evaluation/evaluate.ts';
import type { EvaluationResult } from '../../src/evaluation/evaluate.ts';
import type { VisionTransformerConfiguration } from '../../src/models/configuration.ts';
import { parametersFromWeights } from '../../src/models/parameters.ts';
import { findModel } from '../../src/models/registry.ts';
import { findPublishedSchedule } from '../../src/reduction/published-schedules.ts';

const data = process.env['DIFFRATE_DATA'] ?? '../shared/data';
const golden = join(data, '..', 'golden-real');
const budgets = ['1.0', '0.9', '0.8', '0.7', '0.6'];
const classes = 1000;
/** Points of top-1 (two of 650 images) and relative difference of the divergence. */
const tolerance = { top1: 0.31, kl: 0.03 };

interface GoldenRow {
  readonly top1: number;
  readonly top5: number;
  readonly loss: number;
  readonly agreement?: number;
  readonly kl?: number;
}

/** Logits of all images under one variant, filled batch by batch. */
type Collected = Map<number, Float32Array>;

async function evaluate(name: string): Promise<{ results: EvaluationResult[]; logits: Collected }> {
  const weights = join(data, 'weights', `${name}.safetensors`);
  const model = {
    name,
    configuration: findModel(name).configuration as VisionTransformerConfiguration,
    parameters: parametersFromWeights(await readCheckpoint(weights), weights),
  };
  const folder = await openImageFolder(join(data, 'imagenet-val'));
  const schedules = budgets.map((budget) => findPublishedSchedule(`deit_tiny_patch16_224@${budget}`));
  const logits: Collected = new Map(
    [0, 1 + budgets.indexOf('0.8')].map((variant) => [variant, new Float32Array(folder.images.length * classes)]),
  );
  const results = await evaluateVariants(
    model,
    [{}, ...schedules.map((schedule) => ({ schedule, scheduleName: schedule.name }))],
    {
      folder,
      strict: true,
      onLogits: (batch) => {
        batch.indices.forEach((image, row) =>
          logits.get(batch.variant)?.set(batch.logits.subarray(row * classes, (row + 1) * classes), image * classes),
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
      worst = Math.max(worst, Math.abs((actual[index] ?? 0) - (wanted[index] ?? 0)));
    return worst / largest;
  });
}

function goldenLogits(tensors: Weights, name: string): Float32Array {
  return float32Values(tensors.get(name) as WeightTensor);
}

const missing = [join(data, 'imagenet-val'), join(data, 'weights'), golden].filter((path) => !existsSync(path));
if (missing.length > 0)
  console.warn(`SKIPPED: metrics on real images, because ${missing.join(', ')} is missing (set DIFFRATE_DATA).`);

describe.skipIf(missing.length > 0)(
  'metrics on 650 ImageNet validation images equal those of the authors’ code',
  () => {
    for (const name of ['deit_tiny_patch16_224', 'vit_tiny_patch16_224']) {
      it(name, { timeout: 600_000 }, async () => {
        const rows = JSON.parse(readFileSync(join(golden, `${name}.json`), 'utf8')) as Record<string, GoldenRow>;
        const { results, logits } = await evaluate(name);
        for (const [index, key] of ['baseline', ...budgets].entries()) {
          const [own, wanted] = [results[index] as EvaluationResult, rows[key] as GoldenRow];
          expect(own.images).toBe(650);
          expect(Math.abs((own.top1 ?? 0) - wanted.top1), `${key} top-1 ${own.top1}`).toBeLessThanOrEqual(
            tolerance.top1,
          );
          expect(Math.abs((own.top5 ?? 0) - wanted.top5), `${key} top-5 ${own.top5}`).toBeLessThanOrEqual(
            tolerance.top1,
          );
          expect(own.loss, `${key} loss`).toBeCloseTo(wanted.loss, 2);
          if (wanted.kl !== undefined)
            expect(Math.abs((own.kl ?? 0) / wanted.kl - 1), `${key} KL ${own.kl}`).toBeLessThan(tolerance.kl);
          if (wanted.agreement !== undefined)
            expect(Math.abs((own.agreement ?? 0) - wanted.agreement), `${key} agreement`).toBeLessThanOrEqual(
              2 * tolerance.top1,
            );
        }
        const tensors = await readSafetensors(join(golden, `${name}.safetensors`));
        const plain = errorsPerImage(logits.get(0) as Float32Array, goldenLogits(tensors, 'baseline.logits'));
        expect(Math.max(...plain)).toBeLessThan(1e-3);
        const compressed = errorsPerImage(
          logits.get(1 + budgets.indexOf('0.8')) as Float32Array,
          goldenLogits(tensors, 'schedule@0.8.logits'),
        );
        expect(compressed.filter((error) => error < 1e-2).length / compressed.length).toBeGreaterThanOrEqual(0.99);
      });
    }
  },
);
