/** Figure 6: schedules that were learnt for one network, on another. */
import { countFlops } from '../../src/cost/flops.ts';
import { tokenCount } from '../../src/models/configuration.ts';
import { scheduleTarget } from '../../src/models/schedule-target.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { uniformSchedule } from '../../src/reduction/methods/scheduled.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { validateSchedule } from '../../src/reduction/validate-schedule.ts';
import type { LoadedModel } from '../../src/loading/load-model.ts';
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

/** Two networks of the same depth and tokens, each under its own schedule, the other's, and a uniform rate. */
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
    for (const { name, configuration } of networks)
      validateSchedule(schedule, scheduleTarget(configuration, name), { source: scheduleName, allowRising: true });
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
    for (const network of networks) {
      const { configuration } = network;
      const variants = candidates.map(({ kept }) => ({
        reducer: diffRate(kept, tokenCount(configuration)),
        gflops: countFlops(configuration, kept).total / 1e9,
      }));
      const results = await evaluateAll(setting, network, variants, images);
      notes.push(imagesInWords(results, network.name));
      for (const [index, result] of results.entries())
        rows.push({
          name: `${candidates[index]?.name ?? ''}, on ${network.name}`,
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
              `Searched: the default search on ${folder.images.length} images, without labels, one seed, at the cost of ${scheduleName}.`,
            ]
          : []),
        ...unknownRows('Figure 6'),
      ],
    };
  },
};

/** The uniform rate that costs just the budget or a little less: bisection on the rate. */
export function uniformAt({ configuration }: Pick<LoadedModel, 'configuration'>, gflops: number): KeptNumbers {
  const at = (rate: number): KeptNumbers => uniformSchedule(rate, configuration.depth, tokenCount(configuration));
  let [low, high] = [0.1, 1];
  for (let turn = 0; turn < 40; turn++) {
    const middle = (low + high) / 2;
    if (countFlops(configuration, at(middle)).total <= gflops * 1e9) low = middle;
    else high = middle;
  }
  return at(low);
}
