/** `diffrate bench`: throughput and latency of a schedule beside the plain network. */
import { defineCommand } from 'citty';
import { measureThroughput } from '../../evaluation/throughput.ts';
import { correctionOption, resolveCorrection } from '../correction-option.ts';
import { checkCompression, methodOption, resolveCompression } from '../method-option.ts';
import { resolveModel } from '../model-option.ts';
import { integerOption, integersOption, options } from '../options.ts';
import { printResult } from '../output.ts';
import { withProgress } from '../progress.ts';
import { formatRuns } from '../runs-table.ts';
import { selectionOf } from '../schedule-option.ts';
import { selectionOption } from '../selection-option.ts';
import { sessionOptions } from '../session-options.ts';

export const benchCommand = defineCommand({
  meta: {
    name: 'diffrate bench',
    description: 'Throughput and latency beside the uncompressed network, on random pixels',
  },
  args: {
    model: options.model,
    schedule: options.schedule,
    correct: correctionOption,
    selection: selectionOption,
    method: methodOption,
    weights: options.weights,
    batch: { ...options.batch, valueHint: '1,16', description: 'batch sizes', default: '1,16' },
    rounds: {
      type: 'string',
      valueHint: 'N',
      description: 'runs whose median counts, after three that do not',
      default: '15',
    },
    device: options.device,
    threads: options.threads,
    seed: options.seed,
    json: options.json,
  },
  run: async ({ args }) => {
    const session = sessionOptions(args);
    const batches = integersOption('batch', args.batch);
    const rounds = integerOption('rounds', args.rounds);
    const seed = integerOption('seed', args.seed, 0);
    checkCompression(args);
    const model = await resolveModel(args.model, args.weights);
    const { named, method } = await resolveCompression(args, model);
    const correction = await resolveCorrection(args, model, named);
    const compression = {
      schedule: named?.schedule,
      parameters: correction?.parameters,
      reducer: method?.reducer,
    };
    const runs = await withProgress((progress) => {
      const onProgress = (done: number, of: number): void => progress.update(`round ${done} of ${of}`);
      return measureThroughput(model, { ...session, ...compression, batches, rounds, seed, onProgress });
    });
    const result = {
      model: model.name,
      schedule: named?.scheduleName ?? null,
      correction: correction?.name ?? null,
      selection: selectionOf(named),
      method: method?.name ?? null,
      runs,
    };
    printResult(args.json, result, () => formatRuns(runs));
  },
});
