/** `npm run golden -- DIR`: checks every golden case of a folder, a line per quantity; exit code 1 above tolerance. */
import { DiffrateError } from '../../src/errors.ts';
import { checkMethods } from './check-methods.ts';
import { checkSearch } from './check-search.ts';
import { checkSchedules } from './check-schedules.ts';
import { findGoldenCases } from './golden-case.ts';
import { passes } from './quantity.ts';

const [directory] = process.argv.slice(2);
try {
  if (directory === undefined) throw new DiffrateError('Name a folder of golden cases: npm run golden -- DIR');
  const { cases, skipped } = await findGoldenCases(directory);
  let failed = 0;
  let checked = 0;
  for (const golden of cases) {
    const quantities = [
      ...(await checkSchedules(golden)),
      ...(await checkMethods(golden)),
      ...(await checkSearch(golden)),
    ];
    for (const quantity of quantities) {
      checked += 1;
      if (!passes(quantity)) failed += 1;
      const verdict = passes(quantity) ? 'ok  ' : 'FAIL';
      console.log(
        `${verdict} ${golden.description.name}  ${quantity.name.padEnd(40)} ${quantity.error.toExponential(2)}  (tolerance ${quantity.tolerance})`,
      );
    }
  }
  for (const name of skipped) console.log(`skip ${name}  a kind of case that this check does not know yet`);
  console.log(`${checked - failed} quantities within tolerance, ${failed} above, ${skipped.length} cases skipped`);
  if (failed > 0) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof DiffrateError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
