/** `diffrate eval`: accuracy on an image folder, and agreement with the uncompressed network. */
import { defineCommand } from 'citty';
import { evaluateModel } from '../../evaluation/evaluate.ts';
import type { EvaluationResult } from '../../evaluation/evaluation-options.ts';
import { shownMetrics } from '../../evaluation/shown-metrics.ts';
import { evaluationLine } from '../evaluation-line.ts';
import { resolveFolder } from '../folder-option.ts';
import { metricName, metricValue } from '../../evaluation/metric-rows.ts';
import { checkCompression, methodGflops, methodOption, resolveCompression } from '../method-option.ts';
import { resolveModel } from '../model-option.ts';
import { resolveObjective } from '../objective-option.ts';
import { integerOption, options } from '../options.ts';
import { formatNumber, formatTable, printResult } from '../output.ts';
import { withProgress } from '../progress.ts';
import { sessionOptions } from '../session-options.ts';

export const evalCommand = defineCommand({
  meta: {
    name: 'diffrate eval',
    description: 'Accuracy on an image folder, and agreement with the uncompressed network',
  },
  args: {
    model: options.model,
    data: options.data,
    schedule: options.schedule,
    method: methodOption,
    weights: options.weights,
    reference: {
      type: 'string',
      valueHint: 'MODEL',
      description: 'network to compare with instead of MODEL itself: the one that it was fine-tuned from',
    },
    objective: options.objective,
    limit: options.limit,
    batch: { ...options.batch, default: '16' },
    device: options.device,
    threads: options.threads,
    strict: options.strict,
    json: options.json,
  },
  run: async ({ args }) => {
    const session = sessionOptions(args);
    const batchSize = integerOption('batch', args.batch);
    checkCompression(args);
    const folder = await resolveFolder(args.data, args);
    const model = await resolveModel(args.model, args.weights);
    const objective = resolveObjective(args.objective, model.network);
    const { named, method } = await resolveCompression(args, model);
    const reference = args.reference === undefined ? undefined : await resolveModel(args.reference, undefined);
    const gflops = method && methodGflops(model.network, method);
    const result = await withProgress((progress) =>
      evaluateModel(model, {
        ...session,
        ...named,
        ...(method && { reducer: method.reducer }),
        ...(gflops !== undefined && { gflops }),
        images: folder,
        reference,
        objective,
        batchSize,
        strict: args.strict,
        onWarning: (message) => progress.note(`warning: ${message}`),
        onProgress: (report) => progress.update(evaluationLine(report)),
      }),
    );
    printResult(args.json, result, () => formatResult(result, method?.method.ragged ?? false));
  },
});

function formatResult(result: EvaluationResult, ragged: boolean): string {
  const rows = [
    ['images', String(result.images)],
    ['left out', String(result.skipped.length)],
    [`GFLOPs (paper’s count${ragged ? ', mean over images' : ''})`, formatNumber(result.gflops, 3)],
    ...shownMetrics(result).map((name) => [metricName(name, result), metricValue(name, result)]),
    ['images/s', formatNumber(result.imagesPerSecond, 1)],
  ];
  return formatTable([result.model, result.schedule ?? result.method], rows);
}
