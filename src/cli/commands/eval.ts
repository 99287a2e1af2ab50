/** `diffrate eval`: accuracy on an image folder, and agreement with the uncompressed network. */
import { defineCommand } from 'citty';
import { imageFacts } from '../../data/labels/describe-labels.ts';
import { checkEvaluation, evaluateModel } from '../../evaluation/evaluate.ts';
import { dryRun } from '../dry-run.ts';
import { evaluationLine } from '../evaluation-line.ts';
import { formatEvaluation } from '../evaluation-table.ts';
import { correctionOption, resolveCorrection } from '../correction-option.ts';
import { imageOptions, labelledFor, resolveFolder } from '../image-options.ts';
import { checkCompression, methodGflops, methodOption, resolveCompression } from '../method-option.ts';
import { resolveModel } from '../model-option.ts';
import { resolveObjective } from '../objective-option.ts';
import { integerOption, options } from '../options.ts';
import { printResult } from '../output.ts';
import { withProgress } from '../progress.ts';
import { selectionOf } from '../schedule-option.ts';
import { selectionOption } from '../selection-option.ts';
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
    correct: correctionOption,
    selection: selectionOption,
    method: methodOption,
    weights: options.weights,
    reference: {
      type: 'string',
      valueHint: 'MODEL',
      description: 'network to compare with instead of MODEL itself: the one that it was fine-tuned from',
    },
    objective: options.objective,
    ...imageOptions,
    batch: { ...options.batch, default: '16' },
    device: options.device,
    threads: options.threads,
    json: options.json,
  },
  run: async ({ args }) => {
    const session = sessionOptions(args);
    const batchSize = integerOption('batch', args.batch);
    checkCompression(args);
    const opened = await resolveFolder(args.data, args);
    const model = await resolveModel(args.model, args.weights);
    const folder = labelledFor(model, opened, args);
    const objective = resolveObjective(args.objective, model.network);
    const { named, method } = await resolveCompression(args, model);
    const correction = await resolveCorrection(args, model, named);
    const reference = args.reference === undefined ? undefined : await resolveModel(args.reference, undefined);
    const gflops = method && methodGflops(model.network, method);
    if (args['dry-run'] === true) {
      checkEvaluation(model, [{ ...named, ...(method && { reducer: method.reducer }) }], folder, reference);
      return dryRun({ model, objective, images: folder, strict: args.strict, json: args.json });
    }
    const result = await withProgress((progress) =>
      evaluateModel(model, {
        ...session,
        ...named,
        parameters: correction?.parameters,
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
    const compared = named !== undefined || method !== undefined || reference !== undefined;
    const evaluated = {
      ...result,
      selection: selectionOf(named),
      correction: correction?.name ?? null,
      dataset: imageFacts(folder),
    };
    printResult(args.json, evaluated, () =>
      formatEvaluation(evaluated, { ragged: method?.method.ragged ?? false, compared, answers: model.network.answers }),
    );
  },
});
