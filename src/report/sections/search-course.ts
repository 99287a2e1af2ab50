/** The course of a search: loss and cost over its steps, in both phases. */
import { lineY, ruleY } from '@observablehq/plot';
import { decimalsFor } from '../../cost/cost.ts';
import type { Objective } from '../../objectives/objective.ts';
import type { SearchHistoryEntry, SearchPhase } from '../../search/search-options.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import type { ReportSection } from '../page.ts';
import { colours, plotFigure } from '../plot.ts';

/** More points than this make the file larger and the line no better. */
const mostPoints = 400;
const mostRows = 25;

interface PhaseText {
  readonly name: string;
  readonly unit: string;
  readonly loss: string;
  readonly curve: 'linear' | 'step-after';
}

const texts: Readonly<Record<SearchPhase, PhaseText>> = {
  gradients: {
    name: 'Gradients',
    curve: 'linear',
    unit: 'step',
    loss: 'Kept numbers follow their gradients. The loss is that of the masked network, a running mean over batches and therefore uneven: look at where it goes, not at its steps.',
  },
  'local search': {
    name: 'Local search',
    curve: 'step-after',
    unit: 'image passes',
    loss: 'Moves of single numbers are tried on the compressed network itself and kept where they help: a flat end says that a longer search would hardly find a better schedule.',
  },
};

/** What a search was to reach: a value of its cost. */
export interface SearchTarget {
  readonly value: number;
  /** `GFLOPs` (10⁹ multiply-accumulates), `ms`, … */
  readonly unit: string;
}

/**
 * What the loss of a search is, in a word or three. That of an objective which is scaled by the
 * plain answers is not in the unit of what it measures.
 */
export function lossLabel({ unit, fitted }: Pick<Objective, 'unit' | 'fitted'>): string {
  return fitted === undefined ? `loss in ${unit}` : 'loss';
}

/** Loss and cost over steps. */
export function searchSection(
  history: readonly SearchHistoryEntry[],
  target: SearchTarget,
  objective: Pick<Objective, 'name' | 'title' | 'unit' | 'fitted'>,
): ReportSection {
  const phases: readonly SearchPhase[] = ['gradients', 'local search'];
  const figures = phases.map((phase) => {
    const entries = history.filter((entry) => entry.phase === phase);
    return entries.length < 2 ? undefined : phaseFigures(texts[phase], entries, target, lossLabel(objective));
  });
  return {
    id: 'search',
    title: 'The search',
    content: html`<div class="plots">${figures}</div>
      ${objective.name !== 'classDivergence' && html`<p>The loss is the ${objective.title}.</p>`}`,
  };
}

function phaseFigures(
  { name, unit, loss, curve }: PhaseText,
  entries: readonly SearchHistoryEntry[],
  { value: target, unit: costUnit }: SearchTarget,
  lossName: string,
): Html {
  const points = thinned(entries, mostPoints);
  const [first, last] = [entries[0], entries.at(-1)];
  const costs = [...entries.map(({ cost }) => cost), target];
  const decimals = decimalsFor(target);
  const table = {
    header: [unit, lossName, costUnit],
    rows: thinned(entries, mostRows).map((entry) => [
      entry.step,
      entry.loss.toFixed(5),
      entry.cost.toFixed(decimals + 1),
    ]),
  };
  return html`${plotFigure({
    title: `${name}: loss`,
    caption: loss,
    description: `A line: the ${lossName} goes from ${first?.loss.toFixed(4)} to ${last?.loss.toFixed(4)}.`,
    plot: {
      x: { label: unit, labelAnchor: 'center', labelArrow: 'none' },
      y: { grid: true, label: lossName, domain: rangeAround(entries.map((entry) => entry.loss)) },
      marks: [lineY(points, { x: 'step', y: 'loss', stroke: colours.after, strokeWidth: 2, curve })],
    },
    table,
  })}${plotFigure({
    title: `${name}: ${costUnit === 'GFLOPs' ? 'FLOPs' : 'cost'}`,
    caption:
      'The cost of the present kept numbers beside the target (dashed). It should stay at the target, or come to it.',
    description: `A line: the cost goes from ${first?.cost.toFixed(decimals)} to ${last?.cost.toFixed(decimals)} ${costUnit}; the target is ${target.toFixed(decimals)}.`,
    plot: {
      x: { label: unit, labelAnchor: 'center', labelArrow: 'none' },
      y: { grid: true, label: costUnit, domain: rangeAround(costs) },
      marks: [
        ruleY([target], { stroke: colours.target, strokeWidth: 1.5, strokeDasharray: '5 4' }),
        lineY(points, { x: 'step', y: 'cost', stroke: colours.after, strokeWidth: 2, curve }),
      ],
    },
    table,
  })}`;
}

/** Evenly chosen entries, the first and the last among them. */
function thinned(entries: readonly SearchHistoryEntry[], most: number): readonly SearchHistoryEntry[] {
  if (entries.length <= most) return entries;
  return Array.from(
    { length: most },
    (_, index) => entries[Math.round((index * (entries.length - 1)) / (most - 1))],
  ).flatMap((entry) => (entry === undefined ? [] : [entry]));
}

/** An axis that shows changes, but not those of less than some percent as if they were large. */
function rangeAround(values: readonly number[]): [number, number] {
  const smallest = values.reduce((least, value) => Math.min(least, value), Infinity);
  const largest = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const margin = Math.max(0.03 * Math.abs(largest), 0.1 * (largest - smallest), 1e-9);
  return [Math.max(0, smallest - margin), largest + margin];
}
