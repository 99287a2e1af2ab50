/**
 * `npm run paper -- NAME [options]`: repeats a table or figure of the DiffRate paper (arXiv
 * 2305.17997) and adds it to `docs/results.md`.
 */
import { cpus, loadavg } from 'node:os';
import { stripVTControlCharacters } from 'node:util';
import { renderUsage } from 'citty';
import type { ArgsDef } from 'citty';
import { errorSentence, exitCodes } from '../../src/cli/command-line.ts';
import { formatTable } from '../../src/cli/output.ts';
import { prepareOutputFile } from '../../src/files/output-file.ts';
import { withProgress } from '../../src/cli/progress.ts';
import { UsageError } from '../../src/errors.ts';
import { availableCores } from '../../src/threads/available-cores.ts';
import { appendixE } from './appendix-e.ts';
import { settingOf } from './experiment.ts';
import type { PaperExperiment } from './experiment.ts';
import { figure4 } from './figure-4.ts';
import { figure6 } from './figure-6.ts';
import { commonOptions, readOptions, textOption, typedCommand } from './paper-options.ts';
import { resultText } from './paper-result.ts';
import type { PaperResult } from './paper-result.ts';
import { appendResult } from './results-file.ts';
import { table4a } from './table-4a.ts';
import { table4b } from './table-4b.ts';
import { table4c } from './table-4c.ts';
import { table4d } from './table-4d.ts';

const experiments: readonly PaperExperiment[] = [table4a, table4b, table4c, table4d, figure4, figure6, appendixE];

const helpFlags = ['--help', '-h'];

async function main([name, ...rest]: readonly string[]): Promise<void> {
  if (name === undefined || helpFlags.includes(name)) {
    const rows = experiments.map((one) => [one.name, one.description]);
    console.log(
      `npm run paper -- NAME [options]; NAME --help lists the options\n\n${formatTable(['name', 'what'], rows)}`,
    );
    return;
  }
  const experiment = experiments.find((one) => one.name === name);
  if (experiment === undefined)
    throw new UsageError(`There is no script ${name}: name one of ${experiments.map((one) => one.name).join(', ')}.`);
  if (rest.some((argument) => helpFlags.includes(argument))) {
    console.log(await usageOf(experiment));
    return;
  }
  const given = readOptions(name, rest, experiment.options);
  const results = textOption(given, 'results') ?? commonOptions.results.default;
  await prepareOutputFile(results);
  const [load = 0] = loadavg();
  const result = await withProgress(async (progress): Promise<PaperResult> => {
    const setting = await settingOf(given, progress);
    const table = await experiment.run(setting);
    return {
      ...table,
      title: `${experiment.title}, ${setting.model.name}`,
      command: typedCommand(name, rest),
      date: new Date().toISOString().slice(0, 10),
      machine: `${availableCores()} cores of ${cpus()[0]?.model.trim() ?? 'an unknown processor'}, Node ${process.versions.node}, load ${load.toFixed(1)} at the start`,
    };
  });
  console.log(resultText(result));
  await appendResult(results, result);
  console.log(`\nadded to ${results}`);
}

async function usageOf({ name, description, options }: PaperExperiment): Promise<string> {
  const args: ArgsDef = { ...commonOptions, ...options };
  return stripVTControlCharacters(await renderUsage({ meta: { name: `npm run paper -- ${name}`, description }, args }));
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(errorSentence(error));
  process.exitCode = error instanceof UsageError ? exitCodes.usage : exitCodes.failed;
}
