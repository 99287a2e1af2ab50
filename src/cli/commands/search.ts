/**
 * `diffrate search`: learns a schedule for a network under a cost target and writes it to a file,
 * or a front of them to a folder.
 */
import { defineCommand } from 'citty';
import { checkCorrection } from '../../correction/check-correction.ts';
import { correctionReport } from '../../correction/correction-options.ts';
import type { CorrectionOptions, CorrectionReport, ScheduleCorrector } from '../../correction/correction-options.ts';
import { formatCost } from '../../cost/cost.ts';
import type { ImageSource } from '../../data/image-source.ts';
import { imageFacts } from '../../data/labels/describe-labels.ts';
import { UsageError } from '../../errors.ts';
import { correctionPath, writeCorrectionFile } from '../../exporting/correction-file.ts';
import { frontFolder, frontIndex, writeFront } from '../../exporting/front-folder.ts';
import { writeScheduleFile } from '../../exporting/schedule-file.ts';
import type { Schedule } from '../../reduction/schedule.ts';
import { formatSelectionChoice } from '../../reduction/selection-choice.ts';
import { progressFile } from '../../files/progress-file.ts';
import type { NodeFrontOptions, NodeSearchOptions } from '../../compress/search.ts';
import { withFolderLock } from '../../files/folder-lock.ts';
import type { ProgressStore } from '../../files/progress-store.ts';
import { nodeRuntime } from '../../runtime/node/runtime.ts';
import { prepareFront } from '../../search/front/front.ts';
import { prepareSearch } from '../../search/search.ts';
import { correctingOptions, correctionOutcome, parseCorrecting, runCorrection } from '../correction-option.ts';
import { dryRun } from '../dry-run.ts';
import { imageOptions, labelledFor, resolveFolder } from '../image-options.ts';
import { frontOption, frontTable, parseFront, runFront } from '../front-options.ts';
import { resolveModel } from '../model-option.ts';
import { resolveObjective } from '../objective-option.ts';
import { options } from '../options.ts';
import { formatSeconds, peakMemory, printResult } from '../output.ts';
import { prepareOutputFile } from '../../files/output-file.ts';
import { prepareFolder } from '../output-folder.ts';
import { parseSearchOptions, runSearch, searchOptions } from '../search-options.ts';
import { parseTarget, targetOptions } from '../target-options.ts';

type SearchIntoFile = NodeSearchOptions & { readonly progress: ProgressStore; readonly images: ImageSource };
interface CorrectionIntoFile extends CorrectionOptions {
  readonly correct: ScheduleCorrector;
  readonly progress: ProgressStore;
}
type SearchIntoFolder = NodeFrontOptions & { readonly progress: ProgressStore; readonly images: ImageSource };

export const searchCommand = defineCommand({
  meta: {
    name: 'diffrate search',
    description: 'Learns how many tokens each block may prune and merge under a cost target',
  },
  args: {
    model: options.model,
    data: options.data,
    ...targetOptions,
    ...frontOption,
    out: {
      type: 'string',
      valueHint: 'schedule.json|DIR',
      description: 'file to write the schedule to; with --front the folder for its schedules',
      required: true,
    },
    weights: options.weights,
    ...searchOptions,
    ...correctingOptions,
    ...imageOptions,
    json: options.json,
  },
  run: async ({ args }) => {
    const { ratio, gflops, latency, out, json, strict } = args;
    const front = parseFront(args.front, { ratio, gflops, latency });
    const target = front === undefined ? parseTarget({ ratio, gflops, latency }) : undefined;
    const settings = parseSearchOptions(args);
    const correct = parseCorrecting(args);
    if (correct !== undefined && front !== undefined)
      throw new UsageError('--correct is for one schedule: leave it out, or --front.');
    // Making folders on the way would be writing.
    if (args['dry-run'] !== true)
      await (front === undefined ? prepareOutputFile(out) : prepareFolder(out, frontFolder));
    const opened = await resolveFolder(args.data, args);
    const model = await resolveModel(args.model, args.weights);
    const folder = labelledFor(model, opened, args);
    const objective = resolveObjective(args.objective, model.network);
    const stem = out.replace(/[/\\]+$/, '');
    const progress = progressFile(`${stem}.checkpoint`);
    const common = {
      ...settings,
      model,
      images: folder,
      objective,
      progress,
      strict,
    };
    const { seed, resume, device, threads } = settings;
    const correction = {
      progress: progressFile(`${stem}.correction.checkpoint`),
      objective,
      seed,
      resume,
      device,
      threads,
      strict,
    };
    if (args['dry-run'] === true) {
      const checked = { ...common, runtime: nodeRuntime };
      if (front !== undefined) await prepareFront({ ...checked, front });
      const reached = target && (await prepareSearch({ ...checked, target })).target;
      if (correct !== undefined) await checkCorrection(folder, correction);
      return dryRun({ model, objective, images: folder, target: reached, strict, json });
    }
    // Two searches would write one checkpoint.
    await withFolderLock(out, async () => {
      if (front !== undefined) await searchFrontInto(out, { ...common, front }, json);
      if (target === undefined) return;
      const wanted = { ...common, target };
      if (correct !== undefined) await checkCorrection(folder, correction);
      await searchInto(out, wanted, { correction: correct && { ...correction, correct }, json });
    });
  },
});

/** What follows a search. */
interface AfterSearch {
  /** How its schedule is corrected, where that is wanted. */
  readonly correction?: CorrectionIntoFile | undefined;
  readonly json?: boolean | undefined;
}

/** Searches one schedule, writes it, corrects it where that is wanted, and prints what it took. */
async function searchInto(out: string, wanted: SearchIntoFile, { correction, json }: AfterSearch): Promise<void> {
  const { schedule, steps, seconds, waitingShare, skipped } = await runSearch(wanted);
  await writeScheduleFile(out, schedule);
  const corrected = correction && (await correctInto(out, schedule, wanted, correction));
  await wanted.progress.remove();
  const peakMemoryBytes = peakMemory();
  printResult(
    json,
    {
      ...schedule,
      out,
      dataset: imageFacts(wanted.images),
      steps,
      seconds,
      waitingShare,
      correction: corrected ?? null,
      peakMemoryBytes,
      skipped,
    },
    () => {
      const searched = `${out}: ${costOf(schedule)}, searched in ${formatSeconds(seconds)} (${steps} steps), tokens selected by ${formatSelectionChoice(schedule.selection)}`;
      return corrected === undefined ? searched : `${searched}\n${correctionOutcome(corrected)}`;
    },
  );
}

/** Trains a correction and writes it beside the schedule, in place of one that was there before. */
async function correctInto(
  out: string,
  schedule: Schedule,
  { model, images }: SearchIntoFile,
  correction: CorrectionIntoFile,
): Promise<CorrectionReport> {
  const { correct, ...options } = correction;
  const outcome = await runCorrection(correct, model, schedule, images, options);
  if (outcome.correction !== null) await writeCorrectionFile(correctionPath(out), outcome.correction);
  await correction.progress.remove();
  return correctionReport(outcome);
}

/** Searches a front, writes its folder and prints what it took. */
async function searchFrontInto(out: string, wanted: SearchIntoFolder, json?: boolean): Promise<void> {
  const found = await runFront(wanted);
  await writeFront(out, found);
  await wanted.progress.remove();
  const { points, steps, passes, seconds, waitingShare, skipped } = found;
  const peakMemoryBytes = peakMemory();
  printResult(
    json,
    {
      ...frontIndex(found),
      out,
      dataset: imageFacts(wanted.images),
      steps,
      passes,
      seconds,
      waitingShare,
      peakMemoryBytes,
      skipped,
    },
    () =>
      `${frontTable(found)}\n\n${out}: ${points.length} schedules, searched in ${formatSeconds(seconds)} (${steps} steps, ${passes} image passes), tokens selected by ${formatSelectionChoice(points[0]?.schedule.selection)}`,
  );
}

/** What a schedule costs, in words: in the unit that it was learnt under. */
function costOf({ cost, gflops }: Schedule): string {
  return cost === undefined ? `${gflops} GFLOPs` : `${formatCost(cost.value, cost.unit)} (${gflops} GFLOPs)`;
}
