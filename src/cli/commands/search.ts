/** `diffrate search`: learns a schedule for a network under a cost target and writes it to a file. */
import { defineCommand } from 'citty';
import { writeScheduleFile } from '../../exporting/schedule-file.ts';
import { resolveFolder } from '../folder-option.ts';
import { resolveModel } from '../model-option.ts';
import { options } from '../options.ts';
import { formatSeconds, printResult } from '../output.ts';
import { prepareOutputFile } from '../output-file.ts';
import { parseSearchOptions, runSearch, searchOptions } from '../search-options.ts';
import { parseTarget, targetGflops, targetOptions } from '../target-options.ts';

export const searchCommand = defineCommand({
  meta: {
    name: 'diffrate search',
    description: 'Learns how many tokens each block may prune and merge under a cost target',
  },
  args: {
    model: options.model,
    data: options.data,
    ...targetOptions,
    out: { type: 'string', valueHint: 'schedule.json', description: 'file to write the schedule to', required: true },
    weights: options.weights,
    ...searchOptions,
    limit: options.limit,
    strict: options.strict,
    json: options.json,
  },
  run: async ({ args }) => {
    const target = parseTarget(args);
    const settings = parseSearchOptions(args);
    await prepareOutputFile(args.out);
    const folder = await resolveFolder(args.data, args);
    const model = await resolveModel(args.model, args.weights);
    const { schedule, steps, seconds, waitingShare, peakMemoryBytes, skipped } = await runSearch({
      ...settings,
      model,
      folder,
      targetGflops: targetGflops(target, model.configuration),
      checkpoint: `${args.out}.checkpoint`,
      strict: args.strict,
    });
    await writeScheduleFile(args.out, schedule);
    printResult(
      args.json,
      { ...schedule, out: args.out, steps, seconds, waitingShare, peakMemoryBytes, skipped },
      () => `${args.out}: ${schedule.gflops} GFLOPs, searched in ${formatSeconds(seconds)} (${steps} steps)`,
    );
  },
});
