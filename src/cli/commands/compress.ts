/**
 * `diffrate compress`: the main job, from a network and images to a faster network and what it is
 * worth.
 */
import { defineCommand } from 'citty';
import { checkCompression, checkCompressionDirectory, compress } from '../../compress/compress.ts';
import type { CompressionResult, CompressOptions } from '../../compress/compress-options.ts';
import { NoPublishedScheduleError } from '../../compress/published-schedule.ts';
import { DecodedImages } from '../../data/decoded-images.ts';
import { imageFacts } from '../../data/labels/describe-labels.ts';
import { UsageError } from '../../errors.ts';
import { exportDtypes } from '../../exporting/precision.ts';
import { formatSummary, progressReporter } from '../compression-report.ts';
import type { CompressionReport } from '../compression-report.ts';
import { writeCompressionReport } from '../compression-report-file.ts';
import { correctingOptions, parseCorrecting } from '../correction-option.ts';
import { dryRun } from '../dry-run.ts';
import { imageOptions, imagesInWords, labelledFor, resolveFolder, resolveSecondFolder } from '../image-options.ts';
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
    ...correctingOptions,
    ...imageOptions,
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
    const correct = parseCorrecting(args);
    if (correct !== undefined && args.data === undefined)
      throw new UsageError('--correct trains on images: give --data DIR.');
    const dtypes = wordsOption('dtype', args.dtype, exportDtypes);
    const isDry = args['dry-run'] === true;
    if (args.out !== undefined && !isDry) await checkCompressionDirectory(args.out);
    const [data, evalData] = [args.data, args['eval-data']];
    const opened = data === undefined ? undefined : await resolveFolder(data, args);
    const second = evalData === undefined ? undefined : await resolveSecondFolder(evalData, args);
    const model = await resolveModel(args.model, args.weights);
    const images = opened && labelledFor(model, opened, args);
    const evaluated = second === undefined ? images : labelledFor(model, second, args, 'evaluation data');
    const objective = resolveObjective(args.objective, model.network);
    // Search, evaluation and pictures read the same images: each is decoded once.
    const decoded = new DecodedImages();
    const wanted: CompressOptions = {
      ...settings,
      model,
      images,
      evaluationImages: evaluated,
      target,
      correct,
      directory: args.out ?? folderNamedAfter(model.name, 'diffrate'),
      dtypes,
      objective,
      decoded,
      strict: args.strict,
    };
    if (isDry) {
      const reached = await withPublishedAdvice(() => checkCompression(wanted));
      return dryRun({
        model,
        objective,
        images,
        evaluation: evaluated,
        target: reached,
        strict: args.strict,
        json: args.json,
      });
    }
    const result = await runCompression(wanted);
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
          typed: { model: args.model, weights: args.weights, rawArguments: process.argv.slice(2) },
        })
      : null;
    const { directory, history: _, predictions: __, ...figures } = result;
    const search = figures.search && { ...figures.search, peakMemoryBytes: peakMemory() };
    const printed: CompressionReport = {
      ...figures,
      search,
      out: directory,
      report,
      dataset: images === undefined ? null : imageFacts(images),
      evaluationDataset: second === undefined || evaluated === undefined ? null : imageFacts(evaluated),
    };
    const lines = [...new Set([images, evaluated])].flatMap((source) =>
      source === undefined ? [] : [imagesInWords(source)],
    );
    printResult(args.json, printed, () => formatSummary(printed, lines));
  },
});

/** Compresses with progress on standard error; Ctrl-C ends it after the running step. */
async function runCompression(options: CompressOptions): Promise<CompressionResult> {
  return withPublishedAdvice(() =>
    withProgress((progress) => {
      const onWarning = (message: string): void => progress.note(`warning: ${oneLine(message)}`);
      return interruptible((signal) => compress({ ...options, signal, onWarning }, progressReporter(progress)));
    }),
  );
}

/** What is to be typed where there are neither images nor a published schedule. */
async function withPublishedAdvice<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof NoPublishedScheduleError)) throw error;
    throw new UsageError(`${error.facts}: give --data DIR to search one.`);
  }
}
