/** Table 4d: how long a search takes. */
import { integerOption } from '../../src/cli/options.ts';
import { formatSeconds } from '../../src/cli/output.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { presets } from '../../src/search/presets.ts';
import type { PresetName } from '../../src/search/presets.ts';
import { searchSchedule } from '../../src/compress/search.ts';
import type { SearchOutcome } from '../../src/search/search-options.ts';
import type { PaperExperiment, PaperSetting } from './experiment.ts';
import { unknownRows } from './paper-figures.ts';
import { textOption } from './paper-options.ts';
import { searchLine } from './searched-schedule.ts';

/** ImageNet's training images, which the paper's recipe sees three times. */
const imageNetImages = 1_281_167;

/** Optimizer steps of the paper's recipe that are timed, each of 1,024 images. */
const defaultPaperSteps = '2';

/**
 * The default search as a whole; of the paper's recipe some steps, from which its whole length
 * follows.
 */
export const table4d: PaperExperiment = {
  name: 'table-4d',
  title: 'Table 4d: time of the search',
  description: 'seconds and memory of the default search, and of the paper’s recipe on this machine',
  options: {
    steps: { type: 'string', valueHint: 'N', description: 'steps of the default search in place of the preset’s' },
    'paper-steps': {
      type: 'string',
      valueHint: 'N',
      description: 'steps of the paper’s recipe to time, 0 for none',
      default: defaultPaperSteps,
    },
  },
  async run(setting) {
    const { model, given } = setting;
    const { scheduleName, gflops } = await setting.schedule();
    const folder = await setting.searchFolder();
    const steps = integerOption('steps', textOption(given, 'steps'));
    const paperSteps = integerOption('paper-steps', textOption(given, 'paper-steps'), 0) ?? 0;
    const own = await search(setting, folder, gflops, 'small-data', steps);
    const rows = [
      {
        name: `default search, ${folder.images.length} images`,
        paper: [null],
        own: [formatSeconds(own.seconds), memoryOf(), 'measured'],
      },
    ];
    if (paperSteps > 0) {
      const some = await search(setting, folder, gflops, 'paper', paperSteps);
      rows.push({
        name: 'the paper’s recipe, 3 epochs of ImageNet',
        paper: [null],
        own: [formatSeconds(paperSeconds(some)), memoryOf(), `extrapolated from ${paperSteps} steps`],
      });
    }
    return {
      rowsAre: 'search',
      paperColumns: ['time'],
      ownColumns: ['time', 'resident memory', 'how'],
      rows,
      notes: [
        `Ours: ${model.name} to the cost of ${scheduleName}, ${gflops.toFixed(3)} GFLOPs, on the machine above; loading the network and its images counts.`,
        'Resident memory is the peak of the process. Both searches run in one, the default search first, so the second figure is no less than the first, whatever the paper’s recipe needs alone.',
        ...unknownRows('Table 4d'),
      ],
    };
  },
};

/** Three epochs at the pace of the steps that were timed. */
export function paperSeconds({ seconds, steps }: Pick<SearchOutcome, 'seconds' | 'steps'>): number {
  const { batchSize, length } = presets.paper;
  const epochs = 'epochs' in length ? length.epochs : 0;
  return (seconds / (steps * batchSize)) * imageNetImages * epochs;
}

const memoryOf = (): string => `${((process.resourceUsage().maxRSS * 1024) / 1e9).toFixed(2)} GB`;

async function search(
  { model, session, seed, progress }: PaperSetting,
  folder: ImageSource,
  gflops: number,
  preset: PresetName,
  steps: number | undefined,
): Promise<SearchOutcome> {
  // Without labels the network's own answers take their place: the step costs the same.
  const targets = folder.labelled ? undefined : ({ targets: 'teacher' } as const);
  const target = { value: gflops, unit: 'GFLOPs' };
  const options = { ...session, ...targets, model, images: folder, target, preset, steps, seed, resume: false };
  return searchSchedule(options, (report) => progress.update(`${preset}: ${searchLine(report)}`));
}
