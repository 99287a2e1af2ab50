/**
 * `npm run bench [-- NAME…]`: measurements whose figures the documentation quotes, each with the
 * command that repeats it.
 */
import { cpus } from 'node:os';
import { availableCores } from '../src/threads/available-cores.ts';
import { batchThreads } from './batch-threads.ts';
import { compressed } from './compressed.ts';
import { correction } from './correction.ts';
import { decoding } from './decoding.ts';
import { fineTuning } from './fine-tuning.ts';
import { front } from './front.ts';
import { klRanges } from './kl-ranges.ts';
import { learnedPeers } from './learned-peers.ts';
import { missingFiles } from './measurement.ts';
import type { Measurement } from './measurement.ts';
import { methods } from './methods.ts';
import { overhead } from './overhead.ts';
import { preprocessing } from './preprocessing.ts';
import { realFlops } from './real-flops.ts';
import { recipeStudy } from './recipes.ts';
import { reductionShare } from './reduction-share.ts';
import { search } from './search.ts';
import { searchPage } from './search-page.ts';
import { searchStep } from './search-step.ts';
import { seedsOfDemo } from './seeds.ts';
import { selectionForms } from './selection-forms.ts';
import { selectionStudy } from './selection.ts';
import { trainingStep } from './training-step.ts';

const measurements: readonly Measurement[] = [
  searchStep,
  trainingStep,
  compressed,
  batchThreads,
  decoding,
  reductionShare,
  methods,
  search,
  searchPage,
  seedsOfDemo,
  selectionStudy,
  realFlops,
  selectionForms,
  klRanges,
  overhead,
  preprocessing,
  front,
  recipeStudy,
  fineTuning,
  correction,
  learnedPeers,
];

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !measurements.some((measurement) => measurement.name === name));
  if (unknown.length > 0) {
    console.error(
      `There is no measurement ${unknown.join(', ')}: name some of ${measurements.map(({ name }) => name).join(', ')}.`,
    );
    return 2;
  }
  console.log(`${availableCores()} cores of ${cpus()[0]?.model.trim()}, Node ${process.version}`);
  for (const measurement of measurements) {
    const { name, description, run } = measurement;
    if (names.length > 0 && !names.includes(name)) continue;
    console.log(`\n${name}: ${description}`);
    const missing = missingFiles(measurement);
    if (missing.length > 0) {
      console.log(`  SKIPPED: ${missing.join(', ')} is missing (set DIFFRATE_DATA)`);
      continue;
    }
    for (const line of await run()) console.log(`  ${line}`);
    console.log(`  repeat with: npm run bench -- ${name}`);
  }
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
