/** What fine-tuning wins back of what a schedule costs, on images without labels. */
import { openImageFolder } from '../src/data/open-image-folder.ts';
import { evaluateModel } from '../src/evaluation/evaluate.ts';
import { findPublishedSchedule } from '../src/reduction/published-schedules.ts';
import { recipes } from '../src/training/recipe.ts';
import { train } from '../src/training/train.ts';
import { dataPath, loadDeitTiny, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

const scheduleName = 'deit_tiny_patch16_224@0.6';

/** DeiT-T at the published 0.6 schedule, the default recipe. */
export const fineTuning: Measurement = {
  name: 'fine-tuning',
  description: `diffrate finetune of DeiT-T with ${scheduleName}, ${recipes['finetune-small-data'].epochs} epochs of imagenet-calibration without labels, KL on imagenet-val`,
  needs: [weightsFile, 'imagenet-calibration', 'imagenet-val'],
  async run() {
    const model = await loadDeitTiny();
    const schedule = findPublishedSchedule(scheduleName);
    const evaluation = await openImageFolder(dataPath('imagenet-val'));
    const before = await evaluateModel(model, { images: evaluation, schedule });
    const recipe = recipes['finetune-small-data'];
    const outcome = await train({
      name: model.name,
      network: model.network,
      preprocessing: model.preprocessing,
      start: model,
      recipe,
      schedule,
      images: await openImageFolder(dataPath('imagenet-calibration')),
      evaluation,
      seed: 0,
      resume: false,
    });
    const after = outcome.evaluation;
    const ratio = (after?.kl ?? Number.NaN) / (before.kl ?? Number.NaN);
    const memory = (outcome.peakMemoryBytes / 1e9).toFixed(2);
    return [
      `before: KL ${before.kl?.toFixed(5)}, top-1 ${before.top1?.toFixed(2)} %, loss ${before.loss?.toFixed(4)}`,
      `after: KL ${after?.kl?.toFixed(5)}, top-1 ${after?.top1?.toFixed(2)} %, loss ${after?.loss?.toFixed(4)}`,
      `KL after ÷ before ${ratio.toFixed(3)}, ${outcome.steps} steps of ${recipe.batchSize} images in ${outcome.seconds.toFixed(0)} s, evaluations included, ${memory} GB resident`,
    ];
  },
};
