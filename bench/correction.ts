/**
 * What a correction without FLOPs is worth: KL on images that it never saw, without and with it,
 * and what it takes.
 */
import { correctSchedule } from '../src/correction/correct-schedule.ts';
import { openImages } from '../src/data/open-images.ts';
import { evaluateModel } from '../src/evaluation/evaluate.ts';
import type { EvaluationResult } from '../src/evaluation/evaluation-options.ts';
import { correctedModel } from '../src/exporting/correction-file.ts';
import { tokensOf } from '../src/reduction/network-shape.ts';
import { effectiveTokens } from '../src/reduction/schedule.ts';
import type { Schedule } from '../src/reduction/schedule.ts';
import { dataPath, loadDeitTiny, publishedSchedule, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

const calibration = 'imagenet-calibration';
const evaluation = 'imagenet-val';
const threads = 1;
const steps = Number(process.env['STEPS'] ?? 400);
const seed = Number(process.env['SEED'] ?? 0);

/** Every removed token is merged. */
function mergeOnly(schedule: Schedule, tokens: number): Schedule {
  const blocks = effectiveTokens(schedule, tokens);
  return {
    ...schedule,
    pruneKept: blocks.map(({ tokensIn }) => tokensIn),
    mergeKept: blocks.map(({ tokensOut }) => tokensOut),
    merging: 'patches',
  };
}

/** DeiT-T, the schedule published at 0.8 GFLOPs with every removed token merged. */
export const correction: Measurement = {
  name: 'correction',
  description: `scales and biases trained for a schedule (${steps} steps), DeiT-T, published 0.8 GFLOPs, all merged`,
  needs: [weightsFile, calibration, evaluation],
  async run() {
    const model = await loadDeitTiny();
    const schedule = mergeOnly(publishedSchedule(), tokensOf(model.network));
    const images = await openImages(dataPath(calibration));
    const found = await correctSchedule(model, schedule, images, { steps, seed, threads }, ({ step, ...course }) => {
      if (step % 40 === 0)
        console.log(`  step ${step}: ${course.loss.toFixed(5)}, held out ${course.heldOut.toFixed(5)}`);
    });
    const { before, after, bestStep, heldOutImages, trainingImages, seconds, parameters } = found;
    const options = { images: dataPath(evaluation), schedule, threads };
    const plain = await evaluateModel(model, options);
    const corrected = found.correction === null ? model : await correctedModel(model, schedule, found.correction);
    const own = await evaluateModel(corrected, { ...options, reference: model });
    const line = (name: string, { kl, agreement, top1, images: count }: EvaluationResult): string =>
      `  ${count} other images, ${name}: KL ${kl?.toFixed(5)}, agreement ${agreement?.toFixed(2)} %, top-1 ${top1?.toFixed(2)} %`;
    return [
      `  ${parameters} numbers, ${steps} steps on ${trainingImages} images, ${seconds.toFixed(0)} s on ${threads} thread`,
      `  ${heldOutImages} held-out images: ${before.toFixed(5)} → ${after.toFixed(5)} (step ${bestStep})`,
      line('without', plain),
      line('with', own),
    ];
  },
};
