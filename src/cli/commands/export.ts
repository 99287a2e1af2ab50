/** `diffrate export`: writes a model folder with a schedule's kept numbers fixed in the graph. */
import { defineCommand } from 'citty';
import { UsageError } from '../../errors.ts';
import { exportModel } from '../../exporting/export-model.ts';
import { exportDtypes } from '../../exporting/precision.ts';
import { correctionOption, resolveCorrection } from '../correction-option.ts';
import { checkCompression, methodGflops, methodOption, resolveCompression } from '../method-option.ts';
import { resolveModel } from '../model-option.ts';
import { options, wordsOption } from '../options.ts';
import { formatTable, printResult } from '../output.ts';
import { selectionOf } from '../schedule-option.ts';
import { selectionOption } from '../selection-option.ts';

/** Definition of `--dtype`, which `compress` has, too. */
export const dtypeOption = {
  type: 'string',
  valueHint: 'fp32,fp16,q8',
  description: 'precisions to write; the first is loaded by default',
  default: 'fp32',
} as const;

export const exportCommand = defineCommand({
  meta: { name: 'diffrate export', description: 'Writes a model folder for transformers.js and ONNX Runtime' },
  args: {
    model: options.model,
    schedule: options.schedule,
    correct: correctionOption,
    selection: selectionOption,
    method: methodOption,
    out: { type: 'string', valueHint: 'DIR', description: 'folder to write', required: true },
    dtype: dtypeOption,
    weights: options.weights,
    json: options.json,
  },
  run: async ({ args }) => {
    const dtypes = wordsOption('dtype', args.dtype, exportDtypes);
    checkCompression(args);
    const model = await resolveModel(args.model, args.weights);
    const { named, method } = await resolveCompression(args, model);
    if (named === undefined && method === undefined)
      throw new UsageError('diffrate export needs --schedule FILE|NAME or --method NAME:KEY=VALUE,….');
    const correction = await resolveCorrection(args, model, named);
    // What the exporter would warn of, the schedule's own check has said.
    const { directory, files, schedule } = await exportModel({
      model,
      schedule: named?.schedule,
      correction: correction?.correction,
      method,
      directory: args.out,
      dtypes,
    });
    const gflops = method === undefined ? schedule?.gflops : methodGflops(model.network, method);
    const report = {
      model: model.name,
      correction: correction?.name ?? null,
      selection: selectionOf(named),
      method: method?.name ?? null,
      out: directory,
      dtypes,
      gflops: gflops ?? null,
      files,
    };
    printResult(args.json, report, () => `${directory}\n${formatFiles(files)}`);
  },
});

/** Written files as a table. */
export function formatFiles(files: readonly { readonly path: string; readonly bytes: number }[]): string {
  return formatTable(
    ['file', 'kB'],
    files.map(({ path, bytes }) => [path, (bytes / 1000).toFixed(1)]),
  );
}
