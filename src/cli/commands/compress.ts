/** `diffrate compress`: the main job, from a network and images to a faster network and what it is worth. */
import { defineCommand } from 'citty';
import { DecodedImages } from '../../data/decoded-images.ts';
import { checkLabels } from '../../data/image-folder.ts';
import type { ImageFolder } from '../../data/image-folder.ts';
import { checkExportDirectory, exportModel } from '../../exporting/export-model.ts';
import { writeModelCard } from '../../exporting/model-card-file.ts';
import { exportDtypes } from '../../exporting/precision.ts';
import { classesOf } from '../../evaluation/metrics.ts';
import type { LoadedModel } from '../../loading/load-model.ts';
import type { Objective } from '../../objectives/objective.ts';
import type { Schedule } from '../../reduction/schedule.ts';
import { removeCheckpoint } from '../../search/checkpoint-file.ts';
import type { SearchOutcome } from '../../search/search-options.ts';
import { formatSummary, measureCompressed } from '../compression-report.ts';
import type { CompressionReport } from '../compression-report.ts';
import { writeCompressionReport } from '../compression-report-file.ts';
import { resolveFolder } from '../folder-option.ts';
import { resolveModel } from '../model-option.ts';
import { resolveObjective } from '../objective-option.ts';
import { options, wordsOption } from '../options.ts';
import { printResult } from '../output.ts';
import { prepareOutputFile } from '../output-file.ts';
import { folderNamedAfter } from '../output-folder.ts';
import { publishedScheduleNear } from '../published-target.ts';
import { parseSearchOptions, runSearch, searchOptions } from '../search-options.ts';
import type { SearchSettings } from '../search-options.ts';
import { parseTarget, targetGflops, targetOptions } from '../target-options.ts';
import { dtypeOption } from './export.ts';

const defaultModel = 'deit_tiny_patch16_224';
const defaultRatio = 0.65;

export const compressCommand = defineCommand({
  meta: {
    name: 'diffrate compress',
    description: 'Searches a schedule, exports the model folder and measures what it is worth',
  },
  args: {
    model: { ...options.model, required: false, default: defaultModel },
    data: {
      ...options.data,
      required: false,
      description: 'image folder to search on; without one the nearest published schedule is taken',
    },
    'eval-data': {
      type: 'string',
      valueHint: 'DIR',
      description: 'image folder to evaluate on, by default that of --data',
    },
    ...targetOptions,
    ratio: {
      ...targetOptions.ratio,
      description: `${targetOptions.ratio.description}; ${defaultRatio} if no target is given`,
    },
    out: { type: 'string', valueHint: 'DIR', description: 'folder to write, by default MODEL-diffrate here' },
    dtype: dtypeOption,
    weights: options.weights,
    ...searchOptions,
    limit: options.limit,
    strict: options.strict,
    report: {
      type: 'boolean',
      default: true,
      description: 'write report.html into the folder',
      negativeDescription: 'write no report',
    },
    json: options.json,
  },
  run: async ({ args }) => {
    const target = parseTarget(args, defaultRatio);
    const settings = parseSearchOptions(args);
    const dtypes = wordsOption('dtype', args.dtype, exportDtypes);
    if (args.out !== undefined) await prepareOutput(args.out);
    const folder = args.data === undefined ? undefined : await resolveFolder(args.data, args);
    const evaluated = args['eval-data'] === undefined ? folder : await resolveFolder(args['eval-data'], args);
    const model = await resolveModel(args.model, args.weights);
    const objective = resolveObjective(args.objective, model.network);
    // After a search that took long is no time to learn that a label is wrong.
    if (evaluated !== undefined) checkLabels(evaluated, classesOf(model.network.answers));
    const out = args.out ?? folderNamedAfter(model.name, 'diffrate');
    if (args.out === undefined) await prepareOutput(out);
    const gflops = targetGflops(target, model.network);
    // Search, evaluation and pictures read the same images: each is decoded once.
    const decoded = new DecodedImages();
    const { schedule, search, history } = await findSchedule({
      model,
      folder,
      gflops,
      settings,
      objective,
      decoded,
      checkpoint: checkpointOf(out),
      strict: args.strict,
    });
    // Written before anything is measured: what a long search found is then safe, whatever happens.
    const exported = await exportModel({ model, schedule, directory: out, dtypes });
    const session = { device: settings.device, threads: settings.threads };
    // What is measured is what was written, not what was to be.
    const written = exported.schedule ?? schedule;
    const measurements = await measureCompressed({
      model,
      schedule: written,
      folder: evaluated,
      strict: args.strict,
      objective,
      decoded,
      searched: evaluated?.directory === folder?.directory,
      ...session,
    });
    const measured: CompressionReport = {
      model: model.name,
      out,
      target: gflops,
      schedule: written,
      search,
      ...measurements,
      files: exported.files,
      report: null,
    };
    await writeModelCard(out, { model, schedule: measured.schedule, dtypes, measured });
    const file = args.report
      ? await writeCompressionReport({
          model,
          report: measured,
          history,
          searched: folder,
          evaluated,
          decoded,
          objective,
          seed: settings.seed,
          session,
        })
      : null;
    // With it a command that was stopped while it measured would not search again.
    if (search !== null) await removeCheckpoint(checkpointOf(out));
    const report = { ...measured, report: file };
    printResult(args.json, report, () => formatSummary(report));
  },
});

/** Beside the folder, which is to appear as a whole. */
const checkpointOf = (out: string): string => `${out.replace(/[/\\]+$/, '')}.checkpoint`;

async function prepareOutput(out: string): Promise<void> {
  await checkExportDirectory(out);
  await prepareOutputFile(checkpointOf(out));
}

interface ScheduleRequest {
  readonly model: LoadedModel;
  readonly folder: ImageFolder | undefined;
  readonly gflops: number;
  readonly settings: SearchSettings;
  readonly objective: Objective;
  readonly decoded: DecodedImages;
  readonly checkpoint: string;
  readonly strict: boolean | undefined;
}

interface FoundSchedule {
  readonly schedule: Schedule;
  readonly search: CompressionReport['search'];
  readonly history: SearchOutcome['history'];
}

async function findSchedule(request: ScheduleRequest): Promise<FoundSchedule> {
  const { model, folder, gflops, settings, objective, decoded, checkpoint, strict } = request;
  if (folder === undefined) return { schedule: publishedScheduleNear(model.name, gflops), search: null, history: [] };
  const { schedule, history, ...search } = await runSearch({
    ...settings,
    model,
    folder,
    target: { value: gflops, unit: 'GFLOPs' },
    objective,
    decoded,
    checkpoint,
    strict,
  });
  return { schedule, search, history };
}
