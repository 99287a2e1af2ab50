/**
 * `diffrate train`: trains a network that a configuration file describes from scratch, with tokens
 * dropped by a schedule or not.
 */
import { defineCommand } from 'citty';
import { imageFacts } from '../../data/labels/describe-labels.ts';
import { labelledForTraining } from '../../training/labelled-images.ts';
import { readTrainingConfiguration } from '../../training/training-configuration.ts';
import { planTraining } from '../../training/training-plan.ts';
import { checkTrainedModelDirectory, writeTrainedModel } from '../../training/trained-model.ts';
import { dryRun } from '../dry-run.ts';
import { resolveFolder, resolveSecondFolder, sayImages } from '../image-options.ts';
import { integerOption, options, positiveOption } from '../options.ts';
import { formatSeconds, printResult, printWarning } from '../output.ts';
import { resolveSchedule } from '../schedule-option.ts';
import { checkSelection, parseSelection, selectionOption } from '../selection-option.ts';
import { sessionOptions } from '../session-options.ts';
import { prepareTrainingOutput, removeTrainingFiles, runTraining, trainingOptions } from '../training-options.ts';

export const trainCommand = defineCommand({
  meta: { name: 'diffrate train', description: 'Trains a network from scratch, with or without a schedule' },
  args: {
    config: { type: 'string', valueHint: 'FILE', description: 'network and recipe as JSON', required: true },
    schedule: options.schedule,
    selection: selectionOption,
    ...trainingOptions,
  },
  run: async ({ args }) => {
    const session = sessionOptions(args);
    const [epochs, batchSize] = [positiveOption('epochs', args.epochs), integerOption('batch', args.batch)];
    const learningRate = positiveOption('learning-rate', args['learning-rate']);
    const seed = integerOption('seed', args.seed, 0) ?? 0;
    checkSelection(args);
    const { name, network, preprocessing, labels, recipe } = await readTrainingConfiguration(args.config);
    const named = await resolveSchedule(args.schedule, { name, network }, parseSelection(args.selection));
    const isDry = args['dry-run'] === true;
    await (isDry ? checkTrainedModelDirectory(args.out) : prepareTrainingOutput(args.out));
    const evalData = args['eval-data'];
    const { images: folder, evaluation } = labelledForTraining({
      network,
      names: labels,
      images: await resolveFolder(args.data, args),
      evaluation: evalData === undefined ? undefined : await resolveSecondFolder(evalData, args),
      strict: args.strict,
      onWarning: printWarning,
    });
    sayImages(folder);
    if (evaluation !== undefined) sayImages(evaluation, 'evaluation data');
    const classNames = labels ?? folder.classes;
    const training = {
      ...session,
      name,
      network,
      preprocessing,
      recipe: {
        ...recipe,
        ...(epochs === undefined ? {} : { epochs, steps: undefined }),
        ...(batchSize === undefined ? {} : { batchSize }),
        ...(learningRate === undefined ? {} : { learningRate }),
      },
      schedule: named?.schedule,
      images: folder,
      evaluation,
      seed,
      resume: args.resume === true,
      strict: args.strict,
    };
    if (isDry) {
      const { objective } = planTraining(training);
      const model = { name, network, preprocessing, labels: classNames && { ...classNames } };
      return dryRun({ model, objective, images: folder, evaluation, strict: args.strict, json: args.json });
    }
    const outcome = await runTraining(training, args.out);
    const { layout, weights, rows, steps, seconds, loss, evaluation: evaluated, peakMemoryBytes, skipped } = outcome;
    const files = await writeTrainedModel({
      directory: args.out,
      name,
      network,
      preprocessing,
      labels: classNames?.length === network.answers.size ? Object.fromEntries(classNames.entries()) : undefined,
      layout,
      weights,
      dtype: args.dtype,
      rows,
      schedule: named?.schedule,
    });
    await removeTrainingFiles(args.out);
    const report = {
      model: name,
      out: args.out,
      dataset: imageFacts(folder),
      evaluationDataset: evaluation === undefined ? null : imageFacts(evaluation),
      steps,
      seconds,
      loss,
      top1: evaluated?.top1 ?? null,
      evaluationLoss: evaluated?.loss ?? null,
      peakMemoryBytes,
      skipped,
      files,
    };
    printResult(args.json, report, () => {
      const top1 = report.top1 === null ? '' : `, top-1 ${report.top1.toFixed(2)} %`;
      return `${args.out}: ${name} trained in ${formatSeconds(seconds)} (${steps} steps), loss ${loss.toFixed(4)}${top1}`;
    });
  },
});
