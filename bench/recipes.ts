/**
 * What each part of the default recipe is worth: variants of it, three seeds each, judged by the KL
 * divergence on images that no search has seen. Schedules stay in a folder, so that a run that was
 * stopped goes on.
 */
import { join } from 'node:path';
import { openImageFolder } from '../src/data/open-image-folder.ts';
import { evaluateVariants } from '../src/evaluation/evaluate.ts';
import type { EvaluationResult } from '../src/evaluation/evaluation-options.ts';
import { readScheduleFile, writeScheduleFile } from '../src/exporting/schedule-file.ts';
import { presets } from '../src/search/presets.ts';
import type { PositionRecipe, RefinementRecipe } from '../src/search/presets.ts';
import { searchSchedule } from '../src/compress/search.ts';
import type { SearchOptions } from '../src/search/search-options.ts';
import { keptSearch } from './kept-search.ts';
import type { SearchTime } from './kept-search.ts';
import { dataPath, loadDeitTiny, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

const gflops = 0.809;
const seeds = (process.env['SEEDS'] ?? '0,1,2').split(',').map(Number);
const folder = join('out', 'bench-recipes');

type Recipe = Pick<SearchOptions, 'preset' | 'changes' | 'targets' | 'batchSize' | 'steps'>;

const { learner, refinement } = presets['small-data'] as {
  readonly learner: PositionRecipe;
  readonly refinement: RefinementRecipe;
};
const gradientsOnly = (change: Partial<PositionRecipe> = {}, other: Partial<Recipe> = {}): Recipe => ({
  preset: 'small-data',
  changes: { refinement: undefined, learner: { ...learner, ...change } },
  ...other,
});
const refined = (change: Partial<RefinementRecipe>, other: Partial<Recipe> = {}): Recipe => ({
  preset: 'small-data',
  changes: { refinement: { ...refinement, ...change }, ...other.changes },
});

/** By names that are names of files, too. */
const recipes: Readonly<Record<string, Recipe>> = {
  default: { preset: 'small-data' },
  'no-race-of-pruning-and-merging': refined({ prunedShares: [] }),
  'no-gradients': refined({}, { changes: { length: { steps: 1 } } }),
  'half-the-local-search': refined({ passesPerImage: refinement.passesPerImage / 2 }),
  'moves-from-4-tokens': refined({ firstStep: 4 }),
  'gradients-only': gradientsOnly(),
  'gradients-only-labels': gradientsOnly({}, { targets: 'labels' }),
  'gradients-only-no-average': gradientsOnly({ averagedSteps: 1 }),
  'gradients-only-steps-of-2-tokens': gradientsOnly({ stepTokens: { start: 2, end: 0.2 } }),
  'gradients-only-steps-of-8-tokens': gradientsOnly({ stepTokens: { start: 8, end: 0.2 } }),
  'gradients-only-wide-slope': gradientsOnly({ temperature: { start: 6, end: 6 } }),
  // About as long as the default takes, in batches as small.
  paper: { preset: 'paper', batchSize: 16, steps: 500 },
  'paper-teacher': { preset: 'paper', batchSize: 16, steps: 500, targets: 'teacher' },
};

interface Judged extends EvaluationResult {
  readonly time: SearchTime;
}

/** DeiT-T at 0.809 GFLOPs; `RECIPES` names the variants, default all. */
export const recipeStudy: Measurement = {
  name: 'recipes',
  description: `variants of the default recipe, DeiT-T to ${gflops} GFLOPs on imagenet-calibration, KL on imagenet-val of seeds ${seeds.join(', ')} (schedules and times stay in ${folder}; SEEDS=0,1 gives other seeds, RECIPES=default,paper names the variants: ${Object.keys(recipes).join(', ')})`,
  needs: [weightsFile, 'imagenet-calibration', 'imagenet-val'],
  async run() {
    const model = await loadDeitTiny();
    const calibration = await openImageFolder(dataPath('imagenet-calibration'));
    const threads = process.env['THREADS'];
    const lines: string[] = [];
    for (const [name, recipe] of chosenRecipes()) {
      const results: Judged[] = [];
      for (const seed of seeds) {
        const file = join(folder, `${name}-${seed}.json`);
        const time = await keptSearch(file, async (progress) => {
          const { schedule } = await searchSchedule({
            ...recipe,
            model,
            images: calibration,
            target: { value: gflops, unit: 'GFLOPs' },
            seed,
            resume: true,
            progress,
            ...(threads === undefined ? {} : { threads: Number(threads) }),
          });
          await writeScheduleFile(file, schedule);
        });
        const variant = { schedule: await readScheduleFile(file), scheduleName: name };
        const [result] = await evaluateVariants(model, [variant], {
          images: await openImageFolder(dataPath('imagenet-val')),
        });
        if (result !== undefined) results.push({ ...result, time });
      }
      const column = (of: (result: Judged) => string): string => results.map(of).join(' / ');
      lines.push(
        `${name}: KL ${column(({ kl }) => (kl ?? NaN).toFixed(4))}, agreement ${column(({ agreement }) => (agreement ?? NaN).toFixed(1))} %, GFLOPs ${column((result) => (result.gflops ?? NaN).toFixed(4))}, ${column(({ time }) => secondsOf(time))} s`,
      );
    }
    return lines;
  },
};

/** A search that went on from a checkpoint took longer than what is known of it. */
const secondsOf = ({ seconds, continued }: SearchTime): string => `${continued ? 'over ' : ''}${seconds.toFixed(0)}`;

function chosenRecipes(): [string, Recipe][] {
  const names = process.env['RECIPES']?.split(',');
  return Object.entries(recipes).filter(([name]) => names === undefined || names.includes(name));
}
