/**
 * `diffrate search`: learns a schedule for a network under a cost target and writes it to a file,
 * or a front of them to a folder.
 */
import { defineCommand } from 'citty';
import { formatCost } from '../../cost/cost.ts';
import type { ImageSource } from '../../data/image-source.ts';
import { imageFacts } from '../../data/labels/describe-labels.ts';
import { frontFolder, frontIndex, writeFront } from '../../exporting/front-folder.ts';
import { writeScheduleFile } from '../../exporting/schedule-file.ts';
import type { Schedule } from '../../reduction/schedule.ts';
import { progressFile } from '../../files/progress-file.ts';
import type { NodeFrontOptions, NodeSearchOptions } from '../../compress/search.ts';
import { withFolderLock } from '../../files/folder-lock.ts';
import type { ProgressStore } from '../../files/progress-store.ts';
import { nodeRuntime } from '../../runtime/node/runtime.ts';
import { prepareFront } from '../../search/front/front.ts';
import { prepareSearch } from '../../search/search.ts';
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
    ...imageOptions,
    json: options.json,
  },
  run: async ({ args }) => {
    const { ratio, gflops, latency, out, json, strict } = args;
    const front = parseFront(args.front, { ratio, gflops, latency });
    const target = front === undefined ? parseTarget({ ratio, gflops, latency }) : undefined;
    const settings = parseSearchOptions(args);
    // Making folders on the way would be writing.
    if (args['dry-run'] !== true)
      await (front === undefined ? prepareOutputFile(out) : prepareFolder(out, frontFolder));
    const opened = await resolveFolder(args.data, args);
    const model = await resolveModel(args.model, args.weights);
    const folder = labelledFor(model, opened, args);
    const objective = resolveObjective(args.objective, model.network);
    const progress = progressFile(`${out.replace(/[/\\]+$/, '')}.checkpoint`);
    const common = {
      ...settings,
      model,
      images: folder,
      objective,
      progress,
      strict,
    };
    if (args['dry-run'] === true) {
      const checked = { ...common, runtime: nodeRuntime };
      if (front !== undefined) await prepareFront({ ...checked, front });
      const reached = target && (await prepareSearch({ ...checked, target })).target;
      return dryRun({ model, objective, images: folder, target: reached, strict, json });
    }
    // Two searches would write one checkpoint.
    await withFolderLock(out, async () => {
      if (front !== undefined) await searchFrontInto(out, { ...common, front }, json);
      if (target !== undefined) await searchInto(out, { ...common, target }, json);
    });
  },
});

/** Searches one schedule, writes it and prints what it took. */
async function searchInto(out: string, wanted: SearchIntoFile, json?: boolean): Promise<void> {
  const { schedule, steps, seconds, waitingShare, skipped } = await runSearch(wanted);
  await writeScheduleFile(out, schedule);
  await wanted.progress.remove();
  const peakMemoryBytes = peakMemory();
  printResult(
    json,
    { ...schedule, out, dataset: imageFacts(wanted.images), steps, seconds, waitingShare, peakMemoryBytes, skipped },
    () => `${out}: ${costOf(schedule)}, searched in ${formatSeconds(seconds)} (${steps} steps)`,
  );
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
      `${frontTable(found)}\n\n${out}: ${points.length} schedules, searched in ${formatSeconds(seconds)} (${steps} steps, ${passes} image passes)`,
  );
}

/** What a schedule costs, in words: in the unit that it was learnt under. */
function costOf({ cost, gflops }: Schedule): string {
  return cost === undefined ? `${gflops} GFLOPs` : `${formatCost(cost.value, cost.unit)} (${gflops} GFLOPs)`;
}
