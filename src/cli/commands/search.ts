/**
 * `diffrate search`: learns a schedule for a network under a cost target and writes it to a file, or a front of them to
 * a folder.
 */
import { defineCommand } from 'citty';
import { formatCost } from '../../cost/cost.ts';
import { frontFolder, frontIndex, writeFront } from '../../exporting/front-folder.ts';
import { writeScheduleFile } from '../../exporting/schedule-file.ts';
import type { Schedule } from '../../reduction/schedule.ts';
import { removeCheckpoint } from '../../search/checkpoint-file.ts';
import type { SearchOptions } from '../../search/search-options.ts';
import { resolveFolder } from '../folder-option.ts';
import { frontOption, frontTable, parseFront, runFront } from '../front-options.ts';
import { resolveModel } from '../model-option.ts';
import { resolveObjective } from '../objective-option.ts';
import { options } from '../options.ts';
import { formatSeconds, printResult } from '../output.ts';
import { prepareOutputFile } from '../output-file.ts';
import { prepareFolder } from '../output-folder.ts';
import { parseSearchOptions, runSearch, searchOptions } from '../search-options.ts';
import { parseTarget, targetOptions } from '../target-options.ts';

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
    limit: options.limit,
    strict: options.strict,
    json: options.json,
  },
  run: async ({ args }) => {
    const { ratio, gflops, latency, out, json, strict } = args;
    const front = parseFront(args.front, { ratio, gflops, latency });
    const target = front === undefined ? parseTarget({ ratio, gflops, latency }) : undefined;
    const settings = parseSearchOptions(args);
    await (front === undefined ? prepareOutputFile(out) : prepareFolder(out, frontFolder));
    const folder = await resolveFolder(args.data, args);
    const model = await resolveModel(args.model, args.weights);
    const objective = resolveObjective(args.objective, model.network);
    const checkpoint = `${out.replace(/[/\\]+$/, '')}.checkpoint`;
    const common: Omit<SearchOptions, 'target'> = { ...settings, model, folder, objective, checkpoint, strict };
    if (front !== undefined) {
      const found = await runFront({ ...common, front });
      await writeFront(out, found);
      await removeCheckpoint(checkpoint);
      const { points, steps, passes, seconds, waitingShare, peakMemoryBytes, skipped } = found;
      printResult(
        json,
        { ...frontIndex(found), out, steps, passes, seconds, waitingShare, peakMemoryBytes, skipped },
        () =>
          `${frontTable(found)}\n\n${out}: ${points.length} schedules, searched in ${formatSeconds(seconds)} (${steps} steps, ${passes} image passes)`,
      );
    }
    if (target !== undefined) {
      const found = await runSearch({ ...common, target });
      await writeScheduleFile(out, found.schedule);
      await removeCheckpoint(checkpoint);
      const { schedule, steps, seconds, waitingShare, peakMemoryBytes, skipped } = found;
      printResult(
        json,
        { ...schedule, out, steps, seconds, waitingShare, peakMemoryBytes, skipped },
        () => `${out}: ${costOf(schedule)}, searched in ${formatSeconds(seconds)} (${steps} steps)`,
      );
    }
  },
});

/** What a schedule costs, in words: in the unit that it was learnt under. */
function costOf({ cost, gflops }: Schedule): string {
  return cost === undefined ? `${gflops} GFLOPs` : `${formatCost(cost.value, cost.unit)} (${gflops} GFLOPs)`;
}
