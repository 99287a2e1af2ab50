/**
 * What a KL goes with: agreement and accuracy of DeiT-T under schedules from hardly compressed to
 * far too much. The words of `evaluation/verdict.ts` rest on it.
 */
import { openImageFolder } from '../src/data/open-image-folder.ts';
import { evaluateVariants } from '../src/evaluation/evaluate.ts';
import type { EvaluationResult, Variant } from '../src/evaluation/evaluation-options.ts';
import { publishedSchedules } from '../src/reduction/published-schedules.ts';
import { nodeRuntime } from '../src/runtime/node/runtime.ts';
import { learnerOf, planOf } from '../src/search/plan.ts';
import { baselineFlops, flopsPerGflop } from '../src/cost/flops.ts';
import { dataPath, loadDeitTiny, modelName, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

/** Shares of the network's FLOPs. */
const shares = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35];

/** A uniform rate at each share, and the published schedules, in order of KL. */
export const klRanges: Measurement = {
  name: 'kl-ranges',
  description: 'KL beside agreement and top-1, DeiT-T under uniform rates and published schedules, imagenet-val',
  needs: [weightsFile, 'imagenet-val'],
  async run() {
    const model = await loadDeitTiny();
    const images = await openImageFolder(dataPath('imagenet-val'));
    const plan = planOf({ model, images, preset: 'small-data', seed: 0, runtime: nodeRuntime });
    const whole = baselineFlops(model.network).total / flopsPerGflop;
    const variants: Variant[] = [
      {},
      ...shares.map((share) => ({
        schedule: learnerOf(plan, share * whole).finish(),
        scheduleName: `uniform rate, ${(100 * share).toFixed(0)} %`,
      })),
      ...publishedSchedules
        .filter((schedule) => schedule.model === modelName && !schedule.name.includes('paper'))
        .map((schedule) => ({ schedule, scheduleName: `published, ${schedule.name}` })),
    ];
    const results: EvaluationResult[] = [];
    // A few at a time fit into memory.
    for (let first = 0; first < variants.length; first += 6)
      results.push(...(await evaluateVariants(model, variants.slice(first, first + 6), { images })));
    const [plain, ...others] = results;
    const rows = others
      .sort((a, b) => (a.kl ?? 0) - (b.kl ?? 0))
      .map(({ kl, agreement, top1, schedule }) => {
        const lost = (plain?.top1 ?? NaN) - (top1 ?? NaN);
        return `| ${kl?.toFixed(5)} | ${agreement?.toFixed(2)} | ${lost.toFixed(2)} | ${schedule} |`;
      });
    return ['| KL | agreement % | top-1 lost, points | schedule |', '|---|---|---|---|', ...rows];
  },
};
