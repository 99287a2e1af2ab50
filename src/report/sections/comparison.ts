/** Token-reduction methods side by side: accuracy and KL over FLOPs, and the table. */
import { dot, line } from '@observablehq/plot';
import { comparisonTable } from '../../comparison/comparison-rows.ts';
import type { Comparison, MeasuredCell } from '../../comparison/comparison.ts';
import { formatGflops } from '../../cost/cost.ts';
import { objectiveLabel, shownMetrics } from '../../evaluation/shown-metrics.ts';
import { objectiveTitle } from '../../objectives/registry.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import type { ReportSection } from '../page.ts';
import { dataTable, plotFigure } from '../plot.ts';

/**
 * One colour per method, told apart in light and in dark (Tableau's ten); DiffRate, which comes
 * first, in blue.
 */
const methodColours = [
  '#4e79a7',
  '#f28e2c',
  '#e15759',
  '#76b7b2',
  '#59a14f',
  '#b8921b',
  '#af7aa1',
  '#ff9da7',
  '#9c755f',
  '#8a8f98',
] as const;

/** A measure of the vertical axis. */
interface Measure {
  readonly title: string;
  readonly caption: string;
  readonly label: string;
  readonly value: (cell: MeasuredCell) => number | null;
  /** Of the uncompressed network. */
  readonly plain: number | null;
  readonly digits: number;
}

/** The two plots and the table. */
export function comparisonSection(comparison: Comparison): ReportSection {
  const { baseline, images, cells } = comparison;
  const accuracy: Measure = {
    title: 'Accuracy over FLOPs',
    caption:
      'Higher and further to the left is better. On some hundred images one image more or less is a visible step.',
    label: 'top-1 accuracy, %',
    value: ({ top1 }) => top1,
    plain: baseline.top1,
    digits: 2,
  };
  const divergence: Measure = {
    title: 'KL over FLOPs',
    caption: 'Lower and further to the left is better. It needs no labels and is the finest measure of what was lost.',
    label: 'KL from the uncompressed, nats',
    value: ({ kl }) => kl,
    plain: 0,
    digits: 5,
  };
  const { objective } = baseline;
  const distance: Measure | undefined =
    objective === null
      ? undefined
      : {
          title: 'Distance of the answers over FLOPs',
          caption: `The ${objectiveTitle(objective.name)}. Lower and further to the left is better; it needs no labels.`,
          label: objectiveLabel(objective),
          value: (cell) => cell.objective?.value ?? null,
          plain: 0,
          digits: 5,
        };
  const measures = [
    ...(baseline.top1 === null ? [] : [accuracy]),
    ...(baseline.kl === null ? [] : [divergence]),
    ...(distance !== undefined && shownMetrics(baseline).includes('objective') ? [distance] : []),
  ];
  const { notes, ...table } = comparisonTable(comparison);
  const isRagged = cells.some((cell) => cell.kind === 'measured' && cell.ragged);
  return {
    id: 'comparison',
    title: 'Methods at equal cost',
    content: html`<div class="plots">${measures.map((measure) => plotOver(comparison, measure))}</div>
      <h3>The same in numbers</h3>
      ${dataTable(
        table,
        `${images} images; a budget is a share of the uncompressed network’s FLOPs, by the paper’s count`,
      )}
      ${
        notes.length > 0 &&
        html`<ul>
          ${notes.map((note) => html`<li>${note}</li>`)}
        </ul>`
      }
      <p>
        Each method has the parameters at which it costs the most that the budget allows. Images per second are medians
        at batch 16, of runs that took turns with the uncompressed network; the speed-up is over that one.
      </p>
      ${
        isRagged &&
        html`<p>
          Where the number of tokens differs per image (“per image” in the last column), FLOPs are the mean over the
          images, parameters were found on a small sample of them, and time does not fall with the FLOPs: such a method
          is computed with masks. ATS meets a budget with fewer reference tokens than there are tokens, as its paper
          describes; its published code runs only with as many.
        </p>`
      }`,
  };
}

function plotOver({ cells, baseline }: Comparison, { title, caption, label, value, plain, digits }: Measure): Html {
  const points = cells.flatMap((cell) => {
    const measured = cell.kind === 'measured' ? value(cell) : null;
    return cell.kind === 'measured' && measured !== null ? [{ method: cell.asked, gflops: cell.gflops, measured }] : [];
  });
  const methods = [...new Set(points.map(({ method }) => method))];
  const colourOf = (method: string): string => methodColours[methods.indexOf(method) % methodColours.length] ?? 'gray';
  const plainPoint = plain === null ? [] : [{ method: 'uncompressed', gflops: baseline.gflops, measured: plain }];
  const words = methods.map((method) => {
    const own = points.filter((point) => point.method === method);
    return `${method}: ${own.map((point) => `${point.measured.toFixed(digits)} at ${formatGflops(point.gflops)} GFLOPs`).join(', ')}`;
  });
  return plotFigure({
    title,
    caption,
    description: `Lines, ${label} over GFLOPs. ${words.join('; ')}.`,
    legend: [
      ...methods.map((method) => ({ label: method, colour: colourOf(method) })),
      { label: 'uncompressed', colour: 'var(--before)' },
    ],
    plot: {
      height: 320,
      x: { label: 'GFLOPs (10⁹ multiply-accumulates)', nice: true },
      y: { label, grid: true, nice: true },
      symbol: { domain: methods },
      marks: [
        line(points, {
          x: 'gflops',
          y: 'measured',
          z: 'method',
          stroke: (point) => colourOf(point.method),
          sort: 'gflops',
        }),
        dot(points, { x: 'gflops', y: 'measured', stroke: (point) => colourOf(point.method), symbol: 'method', r: 4 }),
        dot(plainPoint, { x: 'gflops', y: 'measured', fill: 'var(--before)', r: 5 }),
      ],
    },
    table: {
      header: ['method', 'GFLOPs', label],
      rows: points.map((point) => [point.method, formatGflops(point.gflops), point.measured.toFixed(digits)]),
    },
  });
}
