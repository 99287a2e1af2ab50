/**
 * `npm run fuzz [TARGET…] [-- --runs N] [--seed S] [--first K]`: damaged files of all kinds that
 * diffrate reads. Each must be read or end in one sentence.
 */
import { parseArgs } from 'node:util';
import { availableCores } from '../../src/threads/available-cores.ts';
import { fuzz } from './fuzz.ts';
import { fuzzTargets } from './targets/index.ts';

const findings = 'fuzz-findings';

const wholeNumber = (name: string, text: string): number => {
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new Error(`--${name} must be a whole number, not "${text}".`);
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '100000' },
      seed: { type: 'string', default: '0' },
      first: { type: 'string', default: '0' },
    },
  });
  const seed = wholeNumber('seed', values.seed);
  const results = await fuzz({
    targets: positionals.length === 0 ? fuzzTargets.map(({ name }) => name) : positionals,
    runs: wholeNumber('runs', values.runs),
    seed,
    first: wholeNumber('first', values.first),
    processes: availableCores(),
    findings,
    onTarget: ({ target, runs, read, seconds, findings: found }) => {
      console.log(
        `${target}: ${runs} runs in ${seconds.toFixed(0)} s, ${read} read all the same, ${found.length} findings`,
      );
      for (const { run, reason, file } of found) {
        console.log(`  ${reason.slice(0, 200)}`);
        console.log(`    input ${file}; again: npm run fuzz ${target} -- --runs 1 --first ${run} --seed ${seed}`);
      }
    },
  });
  const runs = results.reduce((sum, result) => sum + result.runs, 0);
  const found = results.reduce((sum, result) => sum + result.findings.length, 0);
  console.log(`${runs} runs, seed ${seed}: ${found === 0 ? 'no finding' : `${found} findings`}`);
  return found === 0 ? 0 : 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 2;
  },
);
