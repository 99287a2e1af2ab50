/** Figure 6: schedules that were learnt for one network, on another. */
import { countFlops, flopsPerGflop } from '../../src/cost/flops.ts';
import { namedShape } from '../../src/networks/model.ts';
import type { Model } from '../../src/networks/model.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { uniformSchedule } from '../../src/reduction/methods/plain-schedules.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { validateSchedule } from '../../src/reduction/validate-schedule.ts';
import { evaluateAll, evaluatedColumns, evaluatedFigures, imagesInWords } from './evaluated-rows.ts';
import { loadNetwork } from './experiment.ts';
import type { PaperExperiment } from './experiment.ts';
import { unknownRows } from './paper-figures.ts';
import { searchOptions, textOption } from './paper-options.ts';
import type { ResultRow } from './paper-result.ts';
import { searchedSchedule } from './searched-schedule.ts';

/** A schedule and where it comes from. */
interface Candidate {
  readonly name: string;
  readonly kept: KeptNumbers;
}

/**
 * Two networks of the same depth and tokens, each under its own schedule, the other's, and a
 * uniform rate.
 */
export const figure6: PaperExperiment = {
  name: 'figure-6',
  title: 'Figure 6: transfer of schedules between networks',
  description: 'the published schedule, and ones searched on two networks, each evaluated on both',
  options: {
    ...searchOptions,
    'other-model': {
      type: 'string',
      valueHint: 'NAME',
      description: 'the other network',
      default: 'vit_tiny_patch16_224',
    },
    search: { type: 'boolean', description: 'search a schedule on each network, too', default: true },
    'other-weights': { type: 'string', valueHint: 'FILE', description: 'its checkpoint' },
  },
  async run(setting) {
    const { model, given } = setting;
    const { schedule, scheduleName, gflops } = await setting.schedule();
    const other = await loadNetwork(textOption(given, 'other-model') ?? '', textOption(given, 'other-weights'));
    const networks = [model, other];
    for (const { name, network } of networks)
      validateSchedule(schedule, namedShape(network, name), { source: scheduleName, allowRising: true });
    const folder = await setting.searchFolder();
    const candidates: Candidate[] = [
      { name: `published for ${schedule.model}`, kept: schedule },
      { name: 'uniform rate', kept: uniformAt(model, gflops) },
    ];
    const searches = given['search'] !== false;
    for (const network of searches ? networks : []) {
      const kept = await searchedSchedule(setting, { model: network, folder, gflops });
      candidates.push({ name: `searched on ${network.name}`, kept });
    }
    const images = await setting.evaluationFolder();
    const rows: ResultRow[] = [];
    const notes: string[] = [];
    for (const one of networks) {
      const { network } = one;
      const variants = candidates.map(({ kept }) => ({
        reducer: diffRate(kept, network),
        gflops: countFlops(network, kept).total / flopsPerGflop,
      }));
      const results = await evaluateAll(setting, one, variants, images);
      notes.push(imagesInWords(results, one.name));
      for (const [index, result] of results.entries())
        rows.push({
          name: `${candidates[index]?.name ?? ''}, on ${one.name}`,
          paper: [null],
          own: evaluatedFigures(result),
        });
    }
    return {
      rowsAre: 'schedule',
      paperColumns: ['top-1 %'],
      ownColumns: evaluatedColumns,
      rows,
      notes: [
        ...notes,
        ...(searches
          ? [
              `Searched: the default search on ${folder.images.length} images, without labels, one seed, at the cost of ${scheduleName}. They select and merge tokens by the default search’s rule, the others as published.`,
            ]
          : []),
        ...unknownRows('Figure 6'),
      ],
    };
  },
};

/** The uniform rate that costs just the budget or a little less: bisection on the rate. */
export function uniformAt({ network }: Pick<Model, 'network'>, gflops: number): KeptNumbers {
  const at = (rate: number): KeptNumbers => uniformSchedule(rate, network.depth, network.layout);
  let [low, high] = [0.1, 1];
  for (let turn = 0; turn < 40; turn++) {
    const middle = (low + high) / 2;
    if (countFlops(network, at(middle)).total <= gflops * flopsPerGflop) low = middle;
    else high = middle;
  }
  return at(low);
}
