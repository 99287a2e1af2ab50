/**
 * `diffrate compress`: the main job, from a network and images to a faster network and what it is
 * worth.
 */
import { defineCommand } from 'citty';
import { checkCompressionDirectory, compress } from '../../compress/compress.ts';
import type { CompressionResult, CompressOptions } from '../../compress/compress-options.ts';
import { NoPublishedScheduleError } from '../../compress/published-schedule.ts';
import { DecodedImages } from '../../data/decoded-images.ts';
import { UsageError } from '../../errors.ts';
import { exportDtypes } from '../../exporting/precision.ts';
import { formatSummary, progressReporter } from '../compression-report.ts';
import type { CompressionReport } from '../compression-report.ts';
import { writeCompressionReport } from '../compression-report-file.ts';
import { resolveFolder } from '../folder-option.ts';
import { interruptible } from '../interrupt.ts';
import { resolveModel } from '../model-option.ts';
import { resolveObjective } from '../objective-option.ts';
import { options, wordsOption } from '../options.ts';
import { oneLine, peakMemory, printResult } from '../output.ts';
import { folderNamedAfter } from '../output-folder.ts';
import { withProgress } from '../progress.ts';
import { parseSearchOptions, searchOptions } from '../search-options.ts';
import { parseTarget, targetOptions } from '../target-options.ts';
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
    if (args.out !== undefined) await checkCompressionDirectory(args.out);
    const images = args.data === undefined ? undefined : await resolveFolder(args.data, args);
    const evaluated = args['eval-data'] === undefined ? images : await resolveFolder(args['eval-data'], args);
    const model = await resolveModel(args.model, args.weights);
    const objective = resolveObjective(args.objective, model.network);
    // Search, evaluation and pictures read the same images: each is decoded once.
    const decoded = new DecodedImages();
    const result = await runCompression({
      ...settings,
      model,
      images,
      evaluationImages: evaluated,
      target,
      directory: args.out ?? folderNamedAfter(model.name, 'diffrate'),
      dtypes,
      objective,
      decoded,
      strict: args.strict,
    });
    const report = args.report
      ? await writeCompressionReport({
          model,
          result,
          searched: images,
          evaluated,
          decoded,
          objective,
          seed: settings.seed ?? 0,
          session: { device: settings.device, threads: settings.threads },
        })
      : null;
    const { directory, history: _, ...figures } = result;
    const search = figures.search && { ...figures.search, peakMemoryBytes: peakMemory() };
    const printed: CompressionReport = { ...figures, search, out: directory, report };
    printResult(args.json, printed, () => formatSummary(printed));
  },
});

/** Compresses with progress on standard error; Ctrl-C ends it after the running step. */
async function runCompression(options: CompressOptions): Promise<CompressionResult> {
  try {
    return await withProgress((progress) => {
      const onWarning = (message: string): void => progress.note(`warning: ${oneLine(message)}`);
      return interruptible((signal) => compress({ ...options, signal, onWarning }, progressReporter(progress)));
    });
  } catch (error) {
    if (!(error instanceof NoPublishedScheduleError)) throw error;
    throw new UsageError(`${error.facts}: give --data DIR to search one.`);
  }
}
