/**
 * `diffrate compare`: token-reduction methods side by side at equal cost, and DiffRate's schedules
 * among random ones.
 */
import { join } from 'node:path';
import { defineCommand } from 'citty';
import { compareMethods } from '../../comparison/compare-methods.ts';
import type { ComparisonProgress } from '../../comparison/comparison-options.ts';
import type { Comparison } from '../../comparison/comparison.ts';
import { comparisonCsv, comparisonTable, placementSentence } from '../../comparison/comparison-rows.ts';
import { checkLabels } from '../../data/image-source.ts';
import { imageFacts } from '../../data/labels/describe-labels.ts';
import type { ImageFacts } from '../../data/labels/describe-labels.ts';
import { classesOf } from '../../evaluation/metrics.ts';
import { withFolderLock } from '../../files/folder-lock.ts';
import { makeFolders, removeEmpty } from '../../files/new-folders.ts';
import { writeFolder } from '../../files/staged-folder.ts';
import type { FolderKind } from '../../files/staged-folder.ts';
import { namedShape } from '../../networks/model.ts';
import { reportPage } from '../../report/page.ts';
import { comparisonReport } from '../../report/report.ts';
import { comparisonFileName } from '../../report/report-file.ts';
import { progressFile } from '../../files/progress-file.ts';
import { comparisonOptions, parseComparison, scheduleSource } from '../comparison-options.ts';
import { dryRun } from '../dry-run.ts';
import { imageOptions, labelledFor, resolveFolder } from '../image-options.ts';
import { resolveModel } from '../model-option.ts';
import { resolveObjective } from '../objective-option.ts';
import { integerOption, options } from '../options.ts';
import { formatSeconds, formatTable, printResult } from '../output.ts';
import { folderNamedAfter, prepareFolder } from '../output-folder.ts';
import { withProgress } from '../progress.ts';
import { typedCommand, versionFacts } from '../provenance.ts';
import { parseResume } from '../resume-options.ts';
import { sessionOptions } from '../session-options.ts';

/** What the command prints with `--json`, and writes into `comparison.json`. */
export interface ComparisonReport extends Comparison {
  readonly out: string;
  /** The command as it was typed. */
  readonly command: string;
  readonly dataset: ImageFacts;
}

const jsonName = 'comparison.json';
const csvName = 'comparison.csv';
const checkpointName = 'comparison.checkpoint';
const lockName = 'comparison.lock';

/** Names of the files end as nobody's own are called, so anybody's folder will do. */
const comparisonFolder: FolderKind = { foreign: [], isOurs: () => Promise.resolve(true), replaced: [] };

export const compareCommand = defineCommand({
  meta: {
    name: 'diffrate compare',
    description: 'Methods of token reduction side by side at equal cost: accuracy, agreement, KL, throughput',
  },
  args: {
    model: options.model,
    data: options.data,
    out: {
      type: 'string',
      valueHint: 'DIR',
      description: 'folder for table, plots and report, by default MODEL-comparison here',
    },
    ...comparisonOptions,
    weights: options.weights,
    objective: options.objective,
    ...imageOptions,
    device: options.device,
    threads: options.threads,
    seed: options.seed,
    json: options.json,
  },
  run: async ({ args }) => {
    const session = sessionOptions(args);
    const settings = parseComparison(args);
    const rounds = integerOption('rounds', args.rounds);
    const resume = parseResume(args);
    const isDry = args['dry-run'] === true;
    if (args.out !== undefined && !isDry) await prepareFolder(args.out, comparisonFolder);
    const opened = await resolveFolder(args.data, args);
    const model = await resolveModel(args.model, args.weights);
    const folder = labelledFor(model, opened, args);
    const out = args.out ?? folderNamedAfter(model.name, 'comparison');
    if (args.out === undefined && !isDry) await prepareFolder(out, comparisonFolder);
    const progress = progressFile(join(out, checkpointName));
    const objective = resolveObjective(args.objective, model.network);
    const schedules = await scheduleSource({ model, given: args, settings, session, objective, out });
    if (isDry) {
      checkLabels(folder, classesOf(model.network.answers));
      return dryRun({ model, objective, images: folder, strict: args.strict, json: args.json });
    }
    const identity = [
      model.name,
      model.source,
      `${folder.images.length} images of ${folder.name}`,
      session.device,
      `${session.threads ?? 'all'} threads`,
      `${args.rounds} rounds`,
      objective.name,
      await schedules.identity(),
    ].join(', ');
    const { report, files } = await inLockedFolder(out, async () => {
      const comparison = await withProgress((line) =>
        compareMethods({
          ...session,
          model,
          target: namedShape(model.network, model.name),
          objective,
          images: folder,
          budgets: settings.budgets,
          methods: settings.methods,
          schedules,
          ...(settings.random && { random: settings.random }),
          ...(rounds === undefined ? {} : { rounds }),
          progress,
          resume,
          identity,
          strict: args.strict,
          onWarning: (message) => line.note(`warning: ${message}`),
          onProgress: (report) => line.update(progressLine(report)),
        }),
      );
      const command = typedCommand();
      const report: ComparisonReport = { ...comparison, out, command, dataset: imageFacts(folder) };
      const page = comparisonReport(comparison, {
        command,
        facts: [
          ['model', `${model.name} (weights from ${model.source})`],
          ['images', `${comparison.images} of ${folder.name}`],
          ['DiffRate’s schedules', schedules.description],
          ...(await versionFacts()),
        ],
      });
      const files = [
        { path: jsonName, content: `${JSON.stringify(report, null, 1)}\n` },
        { path: csvName, content: comparisonCsv(comparison) },
        { path: comparisonFileName, content: reportPage(page) },
      ];
      await writeFolder(out, files, comparisonFolder);
      await progress.remove();
      return { report, files };
    });
    const { header, rows, notes } = comparisonTable(report);
    printResult(args.json, report, () =>
      [
        `${report.model}, ${report.images} images`,
        formatTable(header, rows),
        ...(notes.length === 0 ? [] : [notes.join('\n')]),
        ...report.rankings.map(placementSentence),
        `${files.map(({ path }) => join(out, path)).join(', ')}`,
      ].join('\n\n'),
    );
  },
});

/**
 * Compares while no other process compares into the folder. The lock lies in it, as the checkpoint
 * does: nobody may be allowed to write beside it.
 */
async function inLockedFolder<Result>(out: string, work: () => Promise<Result>): Promise<Result> {
  const made = await makeFolders(out);
  try {
    return await withFolderLock(out, work, join(out, lockName));
  } finally {
    await removeEmpty(made);
  }
}

function progressLine({ phase, budget, subject, done, of, secondsLeft }: ComparisonProgress): string {
  const left = secondsLeft === undefined ? '' : `, ${formatSeconds(secondsLeft)} left`;
  return `${phase}, budget ${budget}, ${subject}: ${done} of ${of}${left}`;
}
