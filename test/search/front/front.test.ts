/** Whole fronts of a small random network on generated images. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flopsCost } from '../../../src/cost/flops-cost.ts';
import { openImageFolder } from '../../../src/data/open-image-folder.ts';
import type { ImageSource } from '../../../src/data/image-source.ts';
import { progressFile } from '../../../src/files/progress-file.ts';
import { nodeRuntime } from '../../../src/runtime/node/runtime.ts';
import { DiffrateError } from '../../../src/errors.ts';
import { evaluateVariants } from '../../../src/evaluation/evaluate.ts';
import { validateSchedule } from '../../../src/reduction/validate-schedule.ts';
import { searchFront } from '../../../src/search/front/front.ts';
import type { FrontOptions, FrontOutcome, FrontProgress } from '../../../src/search/front/front-options.ts';
import { writeRandomImages } from '../../evaluation/random-images.ts';
import { smallNetwork } from '../../evaluation/small-network.ts';

const model = smallNetwork();
const cost = flopsCost(model.network);

let root = '';
let folder: ImageSource;
let unbroken: FrontOutcome;
const reports: FrontProgress[] = [];

const optionsFor = (changes: Partial<FrontOptions> = {}): FrontOptions => ({
  model,
  images: folder,
  front: { from: 0.85, to: 0.55, points: 3 },
  preset: 'small-data',
  steps: 12,
  batchSize: 4,
  seed: 3,
  threads: 1,
  runtime: nodeRuntime,
  resume: false,
  ...changes,
});

/** Everything of an outcome that must not depend on how fast it came. */
const result = ({ points, steps, passes }: FrontOutcome) => ({ points, steps, passes });

/** A search that is stopped at the first report for which `where` holds. */
async function stoppedAt(options: FrontOptions, where: (progress: FrontProgress) => boolean): Promise<FrontProgress> {
  const controller = new AbortController();
  const reported: FrontProgress[] = [];
  const stopped = searchFront({ ...options, signal: controller.signal }, (progress) => {
    reported.push(progress);
    if (where(progress)) controller.abort();
  });
  await expect(stopped).rejects.toThrow(DiffrateError);
  await expect(stopped).rejects.toThrow(/The search was stopped .*`resume: true`/);
  return reported.at(-1) as FrontProgress;
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'diffrate-front-'));
  await writeRandomImages(join(root, 'images'), 12);
  folder = await openImageFolder(join(root, 'images'));
  unbroken = await searchFront(optionsFor(), (progress) => reports.push(progress));
}, 120_000);

afterAll(() => rmSync(root, { recursive: true }));

describe('searchFront', () => {
  it('gives a schedule within each budget', () => {
    expect(unbroken.points.map(({ ratio }) => ratio)).toEqual([0.85, 0.7, 0.55]);
    for (const { ratio, schedule } of unbroken.points) {
      expect(() => validateSchedule(schedule, model.network)).not.toThrow();
      expect(schedule.target).toBeCloseTo(ratio * cost.baseline, 8);
      expect(cost.value(schedule)).toBeLessThanOrEqual(schedule.target as number);
      expect(schedule.gflops).toBeCloseTo(cost.value(schedule), 8);
      expect(schedule.createdBy).toContain('a front of 3 budgets');
    }
    const costs = unbroken.points.map(({ schedule }) => cost.value(schedule));
    expect(costs).toEqual([...costs].sort((a, b) => b - a));
  });

  it('tells the loss that evaluation finds', async () => {
    const variants = unbroken.points.map(({ schedule }) => ({ schedule, scheduleName: 'one of the front' }));
    const evaluated = await evaluateVariants(model, variants, {
      images: folder,
      threads: 1,
    });
    evaluated.forEach(({ kl }, index) => {
      const loss = unbroken.points[index]?.loss as number;
      expect(Math.abs((kl as number) - loss)).toBeLessThan(1e-3 * loss + 1e-6);
    });
  });

  it('reports the steps of the middle budget and of the cheapest, and the moves of all, outwards from the middle', () => {
    const of = (phase: FrontProgress['phase']): FrontProgress[] => reports.filter((report) => report.phase === phase);
    const gradients = of('gradients');
    const ratios = [...Array.from({ length: 12 }, () => 0.7), ...Array.from({ length: 4 }, () => 0.55)];
    expect(gradients.map(({ ratio }) => ratio)).toEqual(ratios);
    expect(gradients.map(({ step }) => step)).toEqual(ratios.map((_, index) => index + 1));
    expect(gradients.every(({ steps }) => steps === ratios.length)).toBe(true);
    expect(unbroken.steps).toBe(ratios.length);
    // The cheapest's loss, larger by far, is no mean with the middle's.
    const [ofMiddle, ofCheapest] = [gradients[11]?.loss as number, gradients[12]?.loss as number];
    expect(ofCheapest).toBeGreaterThan(1.5 * ofMiddle);
    const moves = of('local search');
    expect([...new Set(moves.map(({ ratio }) => ratio))]).toEqual([0.7, 0.85, 0.55]);
    const points = moves.map(({ point }) => point);
    expect([...new Set(points)]).toEqual([1, 2, 3]);
    // In the end the middle is compared with its neighbours.
    expect(points.pop()).toBe(1);
    expect(points).toEqual([...points].sort());
    const steps = moves.map(({ step }) => step);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
  });

  it('removes tokens in fewer blocks than where blocks have no price', async () => {
    const blocksOf = ({ points }: FrontOutcome): number =>
      points.reduce((sum, { schedule }) => sum + new Set(schedule.mergeKept).size, 0);
    expect(blocksOf(unbroken)).toBeLessThan(blocksOf(await searchFront(optionsFor({ blockOverhead: 0 }))));
  });

  it('gives the same for the same seed', async () => {
    expect(result(await searchFront(optionsFor()))).toEqual(result(unbroken));
  });

  it.each([
    ['at its first step', (at: FrontProgress) => at.phase === 'gradients' && at.step === 1],
    ['between two steps', (at: FrontProgress) => at.phase === 'gradients' && at.step === 7],
    ['at the middle budget’s last step', (at: FrontProgress) => at.phase === 'gradients' && at.step === 12],
    ['between the cheapest’s steps', (at: FrontProgress) => at.phase === 'gradients' && at.step === 14],
    ['at its last step', (at: FrontProgress) => at.phase === 'gradients' && at.step === 16],
    ['at the first move', (at: FrontProgress) => at.phase === 'local search'],
    ['in a later budget’s moves', (at: FrontProgress) => at.phase === 'local search' && at.point === 2],
    ['in the last budget’s moves', (at: FrontProgress) => at.phase === 'local search' && at.point === 3],
  ])('stopped %s ends as an unbroken one', async (name, where) => {
    const checkpoint = join(root, `${name}.checkpoint`);
    const options = optionsFor({ progress: progressFile(checkpoint) });
    const last = await stoppedAt(options, where);
    expect(existsSync(checkpoint)).toBe(true);
    const continued: FrontProgress[] = [];
    const outcome = await searchFront({ ...options, resume: true }, (progress) => continued.push(progress));
    expect(result(outcome)).toEqual(result(unbroken));
    // What was done is not done again.
    const place = ({ phase, step, point }: FrontProgress): unknown[] => [phase, step, point];
    const after = reports.findIndex((report) => String(place(report)) === String(place(last))) + 1;
    expect(continued.map(place)).toEqual(reports.slice(after).map(place));
    expect(existsSync(checkpoint)).toBe(true);
  });

  it('can be stopped while a step down the response surface is measured', async () => {
    const checkpoint = join(root, 'surface.checkpoint');
    // After the first move the search asks without a report only in races for where the cheapest
    // starts, and then on the surface.
    const asking = (
      stopAt: number,
    ): { options: FrontOptions; report: (progress: FrontProgress) => void; asked: () => number } => {
      let [reported, asked] = [0, 0];
      let moving = false;
      const signal = {
        get aborted(): boolean {
          if (moving && reported === 0) asked++;
          reported = 0;
          return asked === stopAt;
        },
      } as AbortSignal;
      const report = ({ phase }: FrontProgress): void => {
        reported++;
        moving ||= phase === 'local search';
      };
      return { options: optionsFor({ progress: progressFile(checkpoint), signal }), report, asked: () => asked };
    };
    const whole = asking(Infinity);
    expect(result(await searchFront(whole.options, whole.report))).toEqual(result(unbroken));
    expect(whole.asked()).toBeGreaterThan(5);
    const last = asking(whole.asked());
    await expect(searchFront(last.options, last.report)).rejects.toThrow(
      /stopped before the local search of budget 0\.55; continue it with `resume: true`/,
    );
    expect(result(await searchFront(optionsFor({ progress: progressFile(checkpoint), resume: true })))).toEqual(
      result(unbroken),
    );
  });

  it('that is done stays so until its checkpoint is removed, without a step again', async () => {
    const checkpoint = join(root, 'done.checkpoint');
    await searchFront(optionsFor({ progress: progressFile(checkpoint) }));
    const again: FrontProgress[] = [];
    const outcome = await searchFront(optionsFor({ progress: progressFile(checkpoint), resume: true }), (progress) =>
      again.push(progress),
    );
    expect(result(outcome)).toEqual(result(unbroken));
    expect(again).toEqual([]);
  });

  it('stopped after a comparison with neighbours ends as an unbroken one, too', async () => {
    const checkpoint = join(root, 'compared.checkpoint');
    const options = optionsFor({ progress: progressFile(checkpoint) });
    let last = 0;
    await stoppedAt(options, ({ phase, point }) => {
      const compared = phase === 'local search' && point < last;
      last = phase === 'local search' ? point : 0;
      return compared;
    });
    const continued: FrontProgress[] = [];
    const outcome = await searchFront({ ...options, resume: true }, (progress) => continued.push(progress));
    expect(result(outcome)).toEqual(result(unbroken));
    expect(continued.map(({ point }) => point)).toEqual([1]);
  });

  it('does not continue from another front, and leaves that one’s state alone', async () => {
    const checkpoint = join(root, 'other');
    await stoppedAt(optionsFor({ progress: progressFile(checkpoint) }), () => true);
    const before = readFileSync(checkpoint, 'utf8');
    const front = { from: 0.85, to: 0.6, points: 3 };
    const other = searchFront(optionsFor({ progress: progressFile(checkpoint), resume: true, front }));
    await expect(other).rejects.toThrow(
      /belongs to another search \(budget: front 0\.85 0\.7 0\.55 instead of front 0\.85 0\.725 0\.6\)/,
    );
    expect(readFileSync(checkpoint, 'utf8')).toBe(before);
  });
});
