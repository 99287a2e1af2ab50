/** Figure 4: where DiffRate's schedule stands among random ones of the same cost. */
import { integerOption } from '../../src/cli/options.ts';
import { formatNumber, formatSeconds } from '../../src/cli/output.ts';
import { rankSchedules } from '../../src/comparison/random-ranking.ts';
import type { PlacedSchedule, RankedSchedule } from '../../src/comparison/random-ranking.ts';
import { budgetTolerance, randomSchedules } from '../../src/comparison/random-schedules.ts';
import type { PaperExperiment, PaperSetting } from './experiment.ts';
import { evaluatedColumns, evaluatedFigures } from './evaluated-rows.ts';
import { unknownRows } from './paper-figures.ts';
import { searchOptions, textOption } from './paper-options.ts';
import { searchedSchedule } from './searched-schedule.ts';

/** Images where `--images` is not given: all of the folder would take hours. */
const defaultImages = 128;

/** Random schedules within 1 % below the cost, DiffRate's among them. */
export const figure4: PaperExperiment = {
  name: 'figure-4',
  title: 'Figure 4: DiffRate among random schedules',
  description: 'rank of the published schedule (and, with --search, of a searched one) among random schedules',
  options: {
    ...searchOptions,
    random: { type: 'string', valueHint: 'N', description: 'random schedules', default: '1000' },
    search: { type: 'boolean', description: 'search a schedule at this cost and place it, too' },
  },
  async run(setting) {
    const { model, given, seed, progress } = setting;
    const published = await setting.schedule();
    const { gflops } = published;
    const count = integerOption('random', textOption(given, 'random')) ?? 0;
    const images = integerOption('images', textOption(given, 'images')) ?? defaultImages;
    const random = randomSchedules(model.network, { count, gflops, seed });
    const ranking = await rankSchedules(model, {
      ...setting.session,
      source: await setting.evaluationFolder(),
      images,
      seed,
      random,
      placed: [{ name: published.scheduleName, kept: published.schedule }, ...(await searched(setting, gflops))],
      onProgress: ({ done, of, secondsLeft }) =>
        progress.update(`${done} of ${of} runs of a schedule, ${formatSeconds(secondsLeft)} left`),
    });
    const byDistance = [...ranking.random].sort((a, b) => a.distance - b.distance);
    return {
      rowsAre: 'schedule',
      paperColumns: ['rank'],
      ownColumns: [...evaluatedColumns, 'rank by KL', 'rank by top-1'],
      rows: [
        ...ranking.placed.map((one) => ({
          name: one.name,
          paper: [null],
          own: [...evaluatedFigures(one), rankOf(one.rankByDistance, count), rankOf(one.rankByTop1, count)],
        })),
        ...quantiles(byDistance).map(({ name, schedule }) => ({
          name,
          paper: [null],
          own: [...evaluatedFigures(schedule), '–', '–'],
        })),
      ],
      notes: [
        `Ours: ${model.name}, ${ranking.images} images, ${count} schedules drawn uniformly from those that never rise and cost at most ${formatNumber(gflops, 3)} GFLOPs and at least ${(100 * (1 - budgetTolerance)).toFixed(0)} % of it. A rank is the number of random schedules that are better, plus one.`,
        ...(given['search'] === true ? ['All schedules select and merge tokens as the searched one does.'] : []),
        `Leading blocks that schedules share ran once, which saved ${(100 * ranking.saved).toFixed(0)} % of the FLOPs.`,
        ...unknownRows('Figure 4'),
      ],
    };
  },
};

async function searched(setting: PaperSetting, gflops: number): Promise<PlacedSchedule[]> {
  if (setting.given['search'] !== true) return [];
  const folder = await setting.searchFolder();
  const kept = await searchedSchedule(setting, { model: setting.model, folder, gflops });
  return [{ name: `searched on ${folder.images.length} images`, kept }];
}

const rankOf = (rank: number | null, count: number): string => (rank === null ? '–' : `${rank} of ${count + 1}`);

/** The random schedules at a few places of the order by distance, of a classifier by KL. */
export function quantiles(
  byDistance: readonly RankedSchedule[],
): { readonly name: string; readonly schedule: RankedSchedule }[] {
  const places = { 'best random': 0, 'random, best 1 %': 0.01, 'random, median': 0.5, 'worst random': 1 };
  return Object.entries(places).flatMap(([name, share]) => {
    const schedule = byDistance[Math.round(share * (byDistance.length - 1))];
    return schedule === undefined ? [] : [{ name, schedule }];
  });
}
