/** Shares targets out over processes, and keeps the inputs of what they find. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { damagedInput } from './damaged-input.ts';
import { FuzzProcess, longestRun, mostFindings } from './fuzz-process.ts';
import type { FuzzFinding, FuzzTarget } from './target.ts';
import { fuzzTargets } from './targets/index.ts';

/** What to fuzz. */
export interface FuzzOptions {
  /** Names of targets, all by default. */
  readonly targets?: readonly string[] | undefined;
  /** Runs over all targets together. */
  readonly runs: number;
  readonly seed: number;
  /** Number of the first run of each target. */
  readonly first?: number | undefined;
  /** Processes at the same time. */
  readonly processes: number;
  /** Folder where inputs of findings are kept. */
  readonly findings: string;
  readonly onTarget?: ((result: TargetResult) => void) | undefined;
}

/** What came of a target. */
export interface TargetResult {
  readonly target: string;
  readonly runs: number;
  /** Runs whose damaged file could still be read; the others ended in a sentence. */
  readonly read: number;
  readonly seconds: number;
  readonly findings: readonly FuzzFinding[];
}

/** Fuzzes the targets. */
export async function fuzz(options: FuzzOptions): Promise<readonly TargetResult[]> {
  const { targets: names = fuzzTargets.map(({ name }) => name), runs, processes, onTarget } = options;
  const chosen = names.map(targetOf);
  const shares = chosen.reduce((sum, { share = 1 }) => sum + share, 0);
  const results: TargetResult[] = [];
  const left = [...chosen];
  const next = async (): Promise<void> => {
    const worker = new FuzzProcess();
    try {
      for (let target = left.shift(); target !== undefined; target = left.shift()) {
        const result = await fuzzTarget(target, Math.ceil((runs * (target.share ?? 1)) / shares), options, worker);
        results.push(result);
        onTarget?.(result);
      }
    } finally {
      await worker.close();
    }
  };
  await Promise.all(Array.from({ length: processes }, next));
  return results;
}

function targetOf(name: string): FuzzTarget {
  const target = fuzzTargets.find((candidate) => candidate.name === name);
  if (target !== undefined) return target;
  throw new Error(`There is no target ${name}: name one of ${fuzzTargets.map((known) => known.name).join(', ')}.`);
}

async function fuzzTarget(
  target: FuzzTarget,
  runs: number,
  options: FuzzOptions,
  worker: FuzzProcess,
): Promise<TargetResult> {
  const { seed, first = 0, findings: folder } = options;
  const { name } = target;
  const start = performance.now();
  const found: { run: number; reason: string }[] = [];
  let read = 0;
  for (let from = first; from < first + runs && found.length < mostFindings;) {
    const part = await worker.run({ target: name, seed, first: from, end: first + runs });
    found.push(...part.findings);
    // A machine that was busy with other things must not look like a reader that hangs.
    if (part.hung !== undefined) {
      const again = await worker.run({ target: name, seed, first: part.hung, end: part.hung + 1 });
      if (again.hung !== undefined) found.push({ run: part.hung, reason: `took more than ${longestRun / 1000} s` });
      else found.push(...again.findings);
    }
    read += part.read;
    from = part.next;
  }
  const sound = found.length === 0 ? [] : await target.seeds();
  const findings = await Promise.all(
    found.slice(0, mostFindings).map(async ({ run, reason }): Promise<FuzzFinding> => {
      const file = join(folder, `${name}-seed${seed}-run${run}`);
      await mkdir(folder, { recursive: true });
      await writeFile(file, run < 0 ? (sound[-1 - run] ?? '') : damagedInput(target, sound, seed, run));
      return { target: name, seed, run, reason, file };
    }),
  );
  return { target: name, runs, read, seconds: (performance.now() - start) / 1000, findings };
}
