/** A comparison as rows of text: for the terminal, for `comparison.csv`, and for the report. */
import { csvFormatRow } from 'd3-dsv';
import { formatGflops } from '../cost/cost.ts';
import type { Metrics } from '../evaluation/metrics.ts';
import { objectiveLabel, shownMetrics } from '../evaluation/shown-metrics.ts';
import type { ShownMetric } from '../evaluation/shown-metrics.ts';
import { objectiveTitle } from '../objectives/registry.ts';
import type { BaselineResult, BudgetRanking, Comparison, ComparisonCell } from './comparison.ts';

const fixed = (value: number | null, digits: number): string => (value === null ? '–' : value.toFixed(digits));

/** A table with a column for each head. */
export interface ComparisonTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Why a method has no figures, a sentence each: too long for a column. */
  readonly notes: readonly string[];
}

/**
 * The table: the uncompressed network, then budget by budget; units in the heads. A method without
 * figures has dashes, and a note below.
 */
export function comparisonTable({ baseline, cells }: Pick<Comparison, 'baseline' | 'cells'>): ComparisonTable {
  const columns = shownMetrics(baseline).filter((name) => name !== 'loss');
  return {
    header: [
      'budget',
      'method',
      'GFLOPs',
      'images/s',
      'speed-up',
      ...columns.map((name) => headOf(name, baseline)),
      'tokens',
    ],
    rows: [baselineRow(baseline, columns), ...cells.map((cell) => cellRow(cell, columns))],
    notes: notesOf(cells),
  };
}

/** A reason that holds at several budgets is told once. */
function notesOf(cells: readonly ComparisonCell[]): string[] {
  const budgets = new Map<string, number[]>();
  for (const cell of cells) {
    if (cell.kind !== 'missing') continue;
    const why = `${cell.asked}: ${cell.reason.replace(/\.$/, '')}.`;
    budgets.set(why, [...(budgets.get(why) ?? []), cell.budget]);
  }
  const all = new Set(cells.map(({ budget }) => budget)).size;
  return [...budgets].map(([why, at]) => (at.length === all ? why : `At a budget of ${at.join(', ')}, ${why}`));
}

function headOf(name: ShownMetric, { objective }: Metrics): string {
  if (name === 'objective') return objective === null ? name : objectiveLabel(objective);
  return heads[name];
}

const heads: Readonly<Record<Exclude<ShownMetric, 'objective'>, string>> = {
  top1: 'top-1 %',
  top5: 'top-5 %',
  loss: 'loss',
  agreement: 'agreement %',
  kl: 'KL',
  featureDistance: 'feature distance',
  neighbourAgreement: 'same neighbours %',
};

const percentages: readonly ShownMetric[] = ['top1', 'top5', 'agreement', 'neighbourAgreement'];

function figuresOf(metrics: Metrics, columns: readonly ShownMetric[]): string[] {
  return columns.map((name) => {
    const value = name === 'objective' ? (metrics.objective?.value ?? null) : metrics[name];
    return fixed(value, percentages.includes(name) ? 2 : 5);
  });
}

function baselineRow(baseline: BaselineResult, columns: readonly ShownMetric[]): string[] {
  return ['1', 'uncompressed', formatGflops(baseline.gflops), '', '1.00×', ...figuresOf(baseline, columns), ''];
}

function cellRow(cell: ComparisonCell, columns: readonly ShownMetric[]): string[] {
  const budget = String(cell.budget);
  if (cell.kind === 'missing') return [budget, cell.asked, ...Array<string>(columns.length + 4).fill('–')];
  return [
    budget,
    cell.method,
    formatGflops(cell.gflops),
    cell.imagesPerSecond.toFixed(1),
    `${cell.speedup.toFixed(2)}×`,
    ...figuresOf(cell, columns),
    cell.ragged ? 'per image' : 'static',
  ];
}

const csvHeader = [
  'budget',
  'asked',
  'method',
  'gflops',
  'ragged',
  'images',
  'imagesPerSecond',
  'speedup',
  'flopsRatio',
  'top1',
  'top5',
  'loss',
  'agreement',
  'kl',
] as const;

/** Columns of networks that are no classifiers, besides. */
const otherColumns = ['objective', 'featureDistance', 'neighbourAgreement'] as const;

/**
 * `comparison.csv` (RFC 4180): numbers in full; a cell that is not there has its reason in the last
 * column.
 */
export function comparisonCsv({ baseline, cells }: Pick<Comparison, 'baseline' | 'cells'>): string {
  const plain = {
    ...baseline,
    budget: 1,
    asked: 'uncompressed',
    method: 'uncompressed',
    ragged: false,
    speedup: 1,
    flopsRatio: 1,
  };
  const isClassifier = baseline.kl !== null || baseline.top1 !== null;
  const header = [...csvHeader, ...(isClassifier ? [] : otherColumns), 'missing'];
  const rows = [plain, ...cells].map((cell) => {
    const values = new Map<string, unknown>(Object.entries(cell));
    if ('reason' in cell) values.set('missing', cell.reason);
    if ('objective' in cell) values.set('objective', cell.objective?.value);
    return header.map((name) => String(values.get(name) ?? ''));
  });
  return [header, ...rows].map((row) => `${csvFormatRow(row)}\r\n`).join('');
}

/** Where DiffRate's schedule is among the random ones, in a sentence. */
export function placementSentence({ budget, images, objective, random, placed }: BudgetRanking): string {
  const among = `among ${random.length} random schedules at a budget of ${budget}, on ${images} images`;
  const [own] = placed;
  if (own === undefined)
    return `${among[0]?.toUpperCase()}${among.slice(1)}, there is no schedule of DiffRate’s to be placed.`;
  const byTop1 = own.rankByTop1 === null ? '' : `, ${ordinal(own.rankByTop1)} by top-1 (${fixed(own.top1, 2)} %)`;
  const measure = own.kl === null ? `by distance (${objectiveTitle(objective)}: ` : 'by KL (';
  const unit = own.kl === null ? '' : ' nats';
  const byDistance = `${ordinal(own.rankByDistance)} ${measure}${own.distance.toFixed(5)}${unit})`;
  return `DiffRate (${own.name}, ${formatGflops(own.gflops)} GFLOPs) is ${byDistance}${byTop1} ${among}.`;
}

function ordinal(rank: number): string {
  const last = rank % 100 > 10 && rank % 100 < 14 ? 0 : rank % 10;
  return `${rank}${['th', 'st', 'nd', 'rd'][last] ?? 'th'}`;
}
