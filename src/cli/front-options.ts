/**
 * `--front` of `diffrate search`: a range of budgets in place of one target, its search with
 * progress, and its table.
 */
import { decimalsFor } from '../cost/cost.ts';
import { UsageError, quoted } from '../errors.ts';
import { frontIndex } from '../exporting/front-folder.ts';
import { searchFront } from '../compress/search.ts';
import type { NodeFrontOptions } from '../compress/search.ts';
import type { FrontOutcome, FrontProgress, FrontRange } from '../search/front/front-options.ts';
import { frontRatios } from '../search/front/front-plan.ts';
import { interruptible } from './interrupt.ts';
import { formatNumber, formatTable } from './output.ts';
import { withProgress } from './progress.ts';
import { progressLine } from './search-options.ts';
import type { GivenTarget } from './target-options.ts';

/** Definition of the option. */
export const frontOption = {
  front: {
    type: 'string',
    valueHint: '0.9:0.5:8',
    description: 'a schedule for each of 8 budgets from 0.9 down to 0.5 of the FLOPs, in one search',
  },
} as const;

/**
 * The range that was given, or `undefined`.
 * @throws {UsageError} for a text that is none, and where a target was given as well
 */
export function parseFront(text: string | undefined, target: GivenTarget): FrontRange | undefined {
  if (text === undefined) return undefined;
  const given = Object.entries(target).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`]));
  if (given.length > 0)
    throw new UsageError(
      `--front and ${given.join(' and ')} exclude each other: a front has its budgets from --front.`,
    );
  const parts = text.split(':');
  const [from, to, points] = parts.map((part) => (/^\d*\.?\d+$/.test(part) ? Number(part) : NaN));
  if (parts.length !== 3 || ![from, to, points].every(Number.isFinite)) {
    throw new UsageError(
      `--front must be the first ratio, the last one and the number of budgets with colons between them (0.9:0.5:8), not ${quoted(text)}.`,
    );
  }
  const range = { from: Number(from), to: Number(to), points: Number(points) };
  frontRatios(range);
  return range;
}

/** Searches with progress on standard error; Ctrl-C ends it after the running step. */
export async function runFront(settings: Omit<NodeFrontOptions, 'signal' | 'onWarning'>): Promise<FrontOutcome> {
  return withProgress((progress) => {
    const onWarning = (message: string): void => progress.note(`warning: ${message}`);
    const onProgress = (report: FrontProgress): void => progress.update(frontLine(report));
    return interruptible((signal) => searchFront({ ...settings, signal, onWarning }, onProgress));
  });
}

function frontLine(progress: FrontProgress): string {
  return `budget ${progress.ratio.toFixed(3)} (${progress.point} of ${progress.points}), ${progressLine(progress)}`;
}

/** The front as a table. */
export function frontTable(front: FrontOutcome): string {
  const { unit } = front;
  const { points } = frontIndex(front);
  const decimals = decimalsFor(Math.max(...points.map(({ gflops, cost = gflops }) => cost ?? 0)), 4);
  const rows = points.map(({ ratio, gflops, cost = gflops, loss, schedule }) => [
    ratio.toFixed(3),
    formatNumber(cost, decimals),
    loss.toFixed(5),
    schedule,
  ]);
  return formatTable(['ratio', unit, 'loss', 'schedule'], rows);
}
