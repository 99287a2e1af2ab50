/**
 * A front on disk: a folder with one schedule file per budget, named by the budget
 * (`schedule-0.786.json` costs 0.786 of the uncompressed network), and an index of them as
 * `front.json` and `front.csv`.
 */
import { join } from 'node:path';
import { serializeSchedule } from '../reduction/schedule.ts';
import type { FrontOutcome, FrontPoint } from '../search/front/front-options.ts';
import type { Schedule } from '../reduction/schedule.ts';
import { readJsonIfThere, writeFolder } from '../files/staged-folder.ts';
import type { FolderKind } from '../files/staged-folder.ts';

const indexName = 'front.json';
const csvName = 'front.csv';
const scheduleName = /^schedule-0\.\d{3}\.json$/;

/** A line of the index. */
export interface FrontEntry {
  /** Budget as a share of the uncompressed network's cost. */
  readonly ratio: number;
  /** What was asked for, in the unit of the cost. */
  readonly target: number;
  /** What the schedule costs by the paper's count, in 10⁹ multiply-accumulates. */
  readonly gflops: number | null;
  /** What it costs in that unit, where that is another one. */
  readonly cost?: number;
  /** Mean loss on the calibration images; with a teacher the distance from it. */
  readonly loss: number;
  /** File of the schedule in the folder. */
  readonly schedule: string;
}

/** The index, as `front.json` has it. */
export interface FrontIndex {
  readonly model: string;
  /** In pixels: the side of a square, or height and width. */
  readonly inputSize: Schedule['inputSize'];
  /** Cost of the uncompressed network where the cost is FLOPs, in 10⁹ multiply-accumulates. */
  readonly baselineGflops?: number;
  /** The same of another cost, in its unit. */
  readonly baseline?: number;
  readonly unit?: string;
  readonly createdBy: string;
  readonly points: readonly FrontEntry[];
}

/** What is written of a front. */
export type WrittenFront = Pick<FrontOutcome, 'points' | 'baseline' | 'unit'>;

/** File of a budget's schedule. */
export function frontScheduleName(ratio: number): string {
  return `schedule-${ratio.toFixed(3)}.json`;
}

/** The index of a front. */
export function frontIndex({ points, baseline, unit }: WrittenFront): FrontIndex {
  const { model = '', inputSize = 0, createdBy = '' } = points[0]?.schedule ?? {};
  const uncompressed = unit === 'GFLOPs' ? { baselineGflops: baseline } : { baseline, unit };
  return { model, inputSize, ...uncompressed, createdBy, points: points.map(entryOf) };
}

function entryOf({ ratio, schedule, loss }: FrontPoint): FrontEntry {
  const { cost, target, gflops } = schedule;
  const spent =
    cost === undefined ? { target: Number(target), gflops } : { target: cost.target, gflops, cost: cost.value };
  return { ratio, ...spent, loss, schedule: frontScheduleName(ratio) };
}

/**
 * Writes the folder. Schedules of an earlier front in it go, as far as its index names them; other
 * files stay.
 * @throws {DiffrateError} where anything cannot be written; what was there is then unchanged.
 */
export async function writeFront(directory: string, front: WrittenFront): Promise<void> {
  const index = frontIndex(front);
  const costs = front.unit === 'GFLOPs' ? (['gflops'] as const) : (['gflops', 'cost'] as const);
  const columns = ['ratio', 'target', ...costs, 'loss', 'schedule'] as const;
  const rows = index.points.map((entry) => columns.map((column) => String(entry[column])));
  const files = [
    ...front.points.map(({ ratio, schedule }) => ({
      path: frontScheduleName(ratio),
      content: serializeSchedule(schedule),
    })),
    { path: indexName, content: `${JSON.stringify(index, null, 1)}\n` },
    { path: csvName, content: [columns, ...rows].map((row) => `${row.join(',')}\r\n`).join('') },
  ];
  await writeFolder(directory, files, { ...frontFolder, replaced: await earlierSchedules(directory) });
}

/** Names are such that anybody's folder will do. */
export const frontFolder: FolderKind = { foreign: [], isOurs: () => Promise.resolve(true), replaced: [] };

async function earlierSchedules(directory: string): Promise<string[]> {
  const earlier = await readJsonIfThere(join(directory, indexName));
  const points = Array.isArray(earlier?.['points']) ? (earlier['points'] as unknown[]) : [];
  return points.flatMap((point) => {
    const name = (point as { schedule?: unknown } | null)?.schedule;
    return typeof name === 'string' && scheduleName.test(name) ? [name] : [];
  });
}
