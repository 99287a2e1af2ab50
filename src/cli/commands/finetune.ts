/**
 * `diffrate finetune`: trains a network on with a fixed schedule and tokens really dropped (arXiv
 * 2305.17997, Table 6), or trains a method that learns (DynamicViT and others). By default the
 * uncompressed network's own answers are the targets, so that no labels are needed.
 */
import { defineCommand } from 'citty';
import { checkLabels } from '../../data/image-source.ts';
import { imageFacts } from '../../data/labels/describe-labels.ts';
import { UsageError } from '../../errors.ts';
import { classesOf } from '../../evaluation/metrics.ts';
import type { MeasuredObjective } from '../../evaluation/metrics.ts';
import { objectiveLabel } from '../../evaluation/shown-metrics.ts';
import type { TargetKind } from '../../execution/soft-targets.ts';
import { reductionMethods } from '../../reduction/methods/registry.ts';
import { recipes } from '../../training/recipe.ts';
import type { RecipeName } from '../../training/recipe.ts';
import { planTraining } from '../../training/training-plan.ts';
import { checkTrainedModelDirectory, writeTrainedModel } from '../../training/trained-model.ts';
import { dryRun } from '../dry-run.ts';
import { labelledFor, resolveFolder, resolveSecondFolder } from '../image-options.ts';
import { checkCompression, methodOption, resolveCompression } from '../method-option.ts';
import { resolveModel } from '../model-option.ts';
import { resolveObjective } from '../objective-option.ts';
import { integerOption, options, positiveOption } from '../options.ts';
import { formatSeconds, printResult } from '../output.ts';
import { selectionOf } from '../schedule-option.ts';
import { selectionOption } from '../selection-option.ts';
import { sessionOptions } from '../session-options.ts';
import { prepareTrainingOutput, removeTrainingFiles, runTraining, trainingOptions } from '../training-options.ts';

// citty wants lists that may be changed.
const presetNames = ['small-data', 'paper'];
const targetKinds: TargetKind[] = ['labels', 'teacher'];
const presetRecipes: Readonly<Record<string, RecipeName>> = { 'small-data': 'finetune-small-data', paper: 'finetune' };

const trainedMethods = reductionMethods.filter(({ trained }) => trained === true).map(({ name }) => name);

export const finetuneCommand = defineCommand({
  meta: {
    name: 'diffrate finetune',
    description: 'Trains a network on with a schedule, tokens really dropped, or trains a method that learns',
  },
  args: {
    model: options.model,
    schedule: options.schedule,
    selection: selectionOption,
    method: {
      ...methodOption,
      description: `method to train in place of a schedule, such as dynamicvit:keep=0.7; of ${trainedMethods.join(', ')}`,
    },
    weights: options.weights,
    preset: {
      type: 'enum',
      options: presetNames,
      description: 'small-data: some hundred images and minutes; paper: its recipe, on labels',
      default: 'small-data',
    },
    objective: options.objective,
    targets: {
      type: 'enum',
      options: targetKinds,
      description: 'compare with the labels, or with the uncompressed network, in place of the preset’s',
    },
    ...trainingOptions,
  },
  run: async ({ args }) => {
    const session = sessionOptions(args);
    const [epochs, batchSize] = [positiveOption('epochs', args.epochs), integerOption('batch', args.batch)];
    const learningRate = positiveOption('learning-rate', args['learning-rate']);
    const seed = integerOption('seed', args.seed, 0) ?? 0;
    checkCompression(args);
    const recipe = recipes[presetRecipes[args.preset] ?? 'finetune-small-data'];
    const isDry = args['dry-run'] === true;
    await (isDry ? checkTrainedModelDirectory(args.out) : prepareTrainingOutput(args.out));
    const opened = await resolveFolder(args.data, args);
    const evalData = args['eval-data'];
    const second = evalData === undefined ? undefined : await resolveSecondFolder(evalData, args);
    const model = await resolveModel(args.model, args.weights);
    const folder = labelledFor(model, opened, args);
    const evaluation = second && labelledFor(model, second, args, 'evaluation data');
    if (evaluation !== undefined) checkLabels(evaluation, classesOf(model.network.answers));
    const objective = resolveObjective(args.objective, model.network);
    const { named, method } = await resolveCompression(args, model, true);
    if (named === undefined && method === undefined) {
      throw new UsageError(
        'diffrate finetune needs --schedule FILE|NAME, or --method NAME:KEY=VALUE,… to train a method.',
      );
    }
    const { name, network, preprocessing, labels } = model;
    const training = {
      ...session,
      name,
      network,
      preprocessing,
      start: model,
      ...(args.objective === undefined ? {} : { objective }),
      recipe: {
        ...recipe,
        ...(args.targets === undefined ? {} : { targets: args.targets }),
        ...(epochs === undefined ? {} : { epochs }),
        ...(batchSize === undefined ? {} : { batchSize }),
        ...(learningRate === undefined ? {} : { learningRate }),
      },
      schedule: named?.schedule,
      method,
      images: folder,
      evaluation,
      seed,
      resume: args.resume === true,
      strict: args.strict,
    };
    if (isDry) {
      planTraining(training);
      return dryRun({ model, objective, images: folder, evaluation, strict: args.strict, json: args.json });
    }
    const outcome = await runTraining(training, args.out);
    const { layout, weights, rows, steps, seconds, loss, evaluation: evaluated, peakMemoryBytes, skipped } = outcome;
    const files = await writeTrainedModel({
      directory: args.out,
      name,
      network,
      preprocessing,
      labels,
      layout,
      weights,
      dtype: args.dtype,
      rows,
      schedule: named?.schedule,
      method: method?.name,
    });
    await removeTrainingFiles(args.out);
    const report = {
      model: name,
      schedule: named?.scheduleName ?? null,
      selection: selectionOf(named),
      method: method?.name ?? null,
      out: args.out,
      dataset: imageFacts(folder),
      evaluationDataset: evaluation === undefined ? null : imageFacts(evaluation),
      steps,
      seconds,
      loss,
      top1: evaluated?.top1 ?? null,
      evaluationLoss: evaluated?.loss ?? null,
      kl: evaluated?.kl ?? null,
      objective: evaluated?.objective ?? null,
      peakMemoryBytes,
      skipped,
      files,
    };
    printResult(args.json, report, () => {
      const distance = distanceLine(report.kl, report.objective);
      return `${args.out}: ${name} fine-tuned in ${formatSeconds(seconds)} (${steps} steps), loss ${loss.toFixed(4)}${distance}`;
    });
  },
});

/**
 * How far the network is from the one that training started from; nothing where it was not
 * evaluated.
 */
function distanceLine(kl: number | null, objective: MeasuredObjective | null): string {
  if (kl !== null) return `, KL to the uncompressed network ${kl.toFixed(5)}`;
  return objective === null
    ? ''
    : `, ${objectiveLabel(objective)} to the uncompressed network ${objective.value.toFixed(5)}`;
}
