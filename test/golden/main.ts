/**
 * `npm run golden -- DIR`: checks every golden case of a folder, a line per quantity; exit code 1
 * above tolerance.
 */
import { DiffrateError } from '../../src/errors.ts';
import { checkMethods, unknownMethods } from './check-methods.ts';
import { checkReal, missingForReal } from './check-real.ts';
import { checkSearch } from './check-search.ts';
import { checkSchedules } from './check-schedules.ts';
import { findGoldenCases } from './golden-case.ts';
import type { Skipped } from './golden-case.ts';
import { passes } from './quantity.ts';
import type { Quantity } from './quantity.ts';

let [checked, failed, left] = [0, 0, 0];

function report(name: string, quantities: readonly Quantity[]): void {
  for (const quantity of quantities) {
    checked += 1;
    if (!passes(quantity)) failed += 1;
    const verdict = passes(quantity) ? 'ok  ' : 'FAIL';
    console.log(
      `${verdict} ${name}  ${quantity.name.padEnd(40)} ${quantity.error.toExponential(2)}  (tolerance ${quantity.tolerance})`,
    );
  }
}

function skip(skipped: readonly Skipped[]): void {
  left += skipped.length;
  for (const { name, reason } of skipped) console.log(`skip ${name}  ${reason}`);
}

const [directory] = process.argv.slice(2);
try {
  if (directory === undefined) throw new DiffrateError('Name a folder of golden cases: npm run golden -- DIR');
  const { cases, real, skipped } = await findGoldenCases(directory);
  for (const golden of cases) {
    const { name } = golden.description;
    report(name, await checkSchedules(golden));
    report(name, await checkMethods(golden));
    report(name, await checkSearch(golden));
    skip(unknownMethods(golden));
  }
  for (const name of real) {
    const missing = missingForReal(name);
    if (missing === undefined) report(name, await checkReal(directory, name));
    else skip([{ name, reason: `${missing} is not there (set DIFFRATE_DATA)` }]);
  }
  skip(skipped);
  console.log(`${checked - failed} quantities within tolerance, ${failed} above, ${left} skipped`);
  if (failed > 0) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof DiffrateError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
