/** A comparison as rows of text: for the terminal, for `comparison.csv`, and for the report. */
import type { BaselineResult, BudgetRanking, Comparison, ComparisonCell } from './comparison-options.ts';

/** Columns of the table; units in the words. */
export const comparisonHeader = [
  'budget',
  'method',
  'GFLOPs',
  'images/s',
  'speed-up',
  'top-1 %',
  'top-5 %',
  'agreement %',
  'KL',
  'tokens',
] as const;

/** GFLOPs with three decimals; of networks far below one GFLOP with three digits. */
export const formatGflops = (value: number): string => (value < 0.1 ? value.toPrecision(3) : value.toFixed(3));

const fixed = (value: number | null, digits: number): string => (value === null ? '–' : value.toFixed(digits));

/** Rows of the table: the uncompressed network, then budget by budget. */
export function comparisonRows({ baseline, cells }: Pick<Comparison, 'baseline' | 'cells'>): string[][] {
  return [baselineRow(baseline), ...cells.map(cellRow)];
}

function baselineRow({ gflops, top1, top5 }: BaselineResult): string[] {
  return [
    '1',
    'uncompressed',
    formatGflops(gflops),
    '',
    '1.00×',
    fixed(top1, 2),
    fixed(top5, 2),
    '100.00',
    '0.00000',
    '',
  ];
}

function cellRow(cell: ComparisonCell): string[] {
  const budget = String(cell.budget);
  if (cell.kind === 'missing') return [budget, `${cell.asked}: ${cell.reason}`, ...Array<string>(8).fill('')];
  return [
    budget,
    cell.method,
    formatGflops(cell.gflops),
    cell.imagesPerSecond.toFixed(1),
    `${cell.speedup.toFixed(2)}×`,
    fixed(cell.top1, 2),
    fixed(cell.top5, 2),
    fixed(cell.agreement, 2),
    fixed(cell.kl, 5),
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
  'missing',
] as const;

/** `comparison.csv` (RFC 4180): numbers in full; a cell that is not there has its reason in the last column. */
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
  const rows = [plain, ...cells].map((cell) => {
    const values = new Map<string, unknown>(Object.entries(cell));
    if ('reason' in cell) values.set('missing', cell.reason);
    return csvHeader.map((name) => csvField(values.get(name)));
  });
  return [csvHeader, ...rows].map((row) => `${row.join(',')}\r\n`).join('');
}

function csvField(value: unknown): string {
  if (value === undefined || value === null) return '';
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Where DiffRate's schedule is among the random ones, in a sentence. */
export function placementSentence({ budget, images, random, placed }: BudgetRanking): string {
  const among = `among ${random.length} random schedules at a budget of ${budget}, on ${images} images`;
  const [own] = placed;
  if (own === undefined)
    return `${among[0]?.toUpperCase()}${among.slice(1)}, there is no schedule of DiffRate’s to be placed.`;
  const byTop1 = own.rankByTop1 === null ? '' : `, ${ordinal(own.rankByTop1)} by top-1 (${fixed(own.top1, 2)} %)`;
  const byKl = `${ordinal(own.rankByKl)} by KL (${own.kl.toFixed(5)} nats)`;
  return `DiffRate (${own.name}, ${formatGflops(own.gflops)} GFLOPs) is ${byKl}${byTop1} ${among}.`;
}

function ordinal(rank: number): string {
  const last = rank % 100 > 10 && rank % 100 < 14 ? 0 : rank % 10;
  return `${rank}${['th', 'st', 'nd', 'rd'][last] ?? 'th'}`;
}
