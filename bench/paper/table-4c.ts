/** Table 4c: how many images a search needs. */
import { integersOption } from '../../src/cli/options.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import type { Schedule } from '../../src/reduction/schedule.ts';
import { countFlops, flopsPerGflop } from '../../src/cost/flops.ts';
import { evaluateAll, evaluatedColumns, evaluatedFigures, imagesInWords } from './evaluated-rows.ts';
import type { PaperExperiment } from './experiment.ts';
import { unknownRows } from './paper-figures.ts';
import { searchOptions, textOption } from './paper-options.ts';
import { searchedSchedule } from './searched-schedule.ts';

/** The default search at the cost of the paper's schedule, on more and more images. */
export const table4c: PaperExperiment = {
  name: 'table-4c',
  title: 'Table 4c: number of images to search on',
  description: 'the default search on more and more images, evaluated on others',
  options: {
    ...searchOptions,
    counts: {
      type: 'string',
      valueHint: '64,1000',
      description: 'numbers of images to search on',
      default: '64,128,250,500,1000',
    },
  },
  async run(setting) {
    const { model, given } = setting;
    const counts = integersOption('counts', textOption(given, 'counts') ?? '');
    const published = await setting.schedule();
    const { network } = model;
    const all = await setting.searchFolder();
    const found: { readonly name: string; readonly schedule: Schedule }[] = [];
    for (const count of counts.filter((number) => number <= all.images.length)) {
      const folder = await setting.searchFolder(count);
      const wanted = { model, folder, gflops: published.gflops };
      found.push({ name: `${count} images`, schedule: await searchedSchedule(setting, wanted) });
    }
    found.push({ name: `published, ${published.scheduleName}`, schedule: published.schedule });
    const variants = found.map(({ schedule }) => ({
      reducer: diffRate(schedule, network),
      gflops: countFlops(network, schedule).total / flopsPerGflop,
    }));
    const results = await evaluateAll(setting, model, variants, await setting.evaluationFolder());
    const missing = counts.filter((number) => number > all.images.length);
    return {
      rowsAre: 'searched on',
      paperColumns: ['top-1 %'],
      ownColumns: evaluatedColumns,
      rows: results.map((result, index) => ({
        name: found[index]?.name ?? '',
        paper: [null],
        own: evaluatedFigures(result),
      })),
      notes: [
        imagesInWords(results, model.name),
        'Ours: the default search (preset small-data), without labels, one seed; small folders get as many image passes as the preset’s least.',
        ...(missing.length === 0
          ? []
          : [`Left out: ${missing.join(', ')} images, of which the folder has ${all.images.length}.`]),
        'The paper says that 1,000 images suffice.',
        ...unknownRows('Table 4c'),
      ],
    };
  },
};
