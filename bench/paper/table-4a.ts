/** Table 4a: by what tokens are ranked before they are pruned and merged. */
import { importanceMetrics } from '../../src/reduction/importance.ts';
import type { ImportanceMetric } from '../../src/reduction/importance.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { evaluateAll, evaluatedColumns, evaluatedFigures, imagesInWords } from './evaluated-rows.ts';
import type { PaperExperiment } from './experiment.ts';
import { unknownRows } from './paper-figures.ts';

const names: Readonly<Record<ImportanceMetric, string>> = {
  'class-attention': 'class attention (default)',
  'image-attention': 'image attention',
  'class-attention-value': 'class attention × length of the value',
  random: 'random',
};

/** A random order says little by itself: these many are drawn. */
const randomSeeds = 3;

/** All metrics at one schedule. */
export const table4a: PaperExperiment = {
  name: 'table-4a',
  title: 'Table 4a: importance metrics',
  description: 'the four importance metrics at one schedule',
  options: {},
  async run(setting) {
    const { model, seed } = setting;
    const { schedule, scheduleName, gflops } = await setting.schedule();
    const cases = importanceMetrics.flatMap((metric) => {
      const draws = metric === 'random' ? randomSeeds : 1;
      return Array.from({ length: draws }, (_, draw) => ({ metric, seed: seed + draw }));
    });
    const variants = cases.map((one) => ({ reducer: diffRate(schedule, model.network, one), gflops }));
    const results = await evaluateAll(setting, model, variants, await setting.evaluationFolder());
    return {
      rowsAre: 'importance',
      paperColumns: ['top-1 %'],
      ownColumns: evaluatedColumns,
      rows: results.map((result, index) => {
        const { metric, seed: drawn } = cases[index] as (typeof cases)[number];
        const name = `${names[metric]}${metric === 'random' ? `, seed ${drawn}` : ''}`;
        return { name, paper: [null], own: evaluatedFigures(result) };
      }),
      notes: [
        imagesInWords(results, model.name),
        `Every metric at the same schedule, ${scheduleName}, which was learnt with class attention.`,
        ...unknownRows('Table 4a'),
      ],
    };
  },
};
