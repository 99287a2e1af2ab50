/** DiffRate's schedule among random ones at the same budget (Fig. 4 of the paper). */
import { quantile } from 'd3-array';
import { binX, rectY, ruleX, ruleY } from '@observablehq/plot';
import { placementSentence } from '../../comparison/comparison-rows.ts';
import type { BudgetRanking } from '../../comparison/comparison.ts';
import type { RankedSchedule } from '../../comparison/random-ranking.ts';
import { objectiveTitle } from '../../objectives/registry.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import type { ReportSection } from '../page.ts';
import { colours, plotFigure } from '../plot.ts';

/** A histogram per budget and measure. */
export function randomSchedulesSection(rankings: readonly BudgetRanking[]): ReportSection {
  return {
    id: 'random-schedules',
    title: 'Among random schedules',
    content: html`<div class="plots">
        ${rankings.map((ranking) => [
          histogram(ranking, distanceOf(ranking)),
          ranking.random.some(({ top1 }) => top1 !== null) && histogram(ranking, accuracy),
        ])}
      </div>
      <ul>
        ${rankings.map(
          (ranking) =>
            html`<li>
              ${placementSentence(ranking)} Blocks that schedules have in common at their beginning were computed once,
              which saved ${(100 * ranking.saved).toFixed(0)} % of the FLOPs.
            </li>`,
        )}
      </ul>
      <p>
        Random schedules are uniform over those whose tokens never rise from block to block, on a grid of token numbers
        that is coarse in the first blocks, within 1 % below the budget; each block prunes none, half or all of what it
        removes, and merges the rest. All were evaluated on the same small sample of images.
      </p>`,
  };
}

/** What is on the horizontal axis. */
interface RankedMeasure {
  readonly label: string;
  readonly value: (schedule: RankedSchedule) => number;
  readonly digits: number;
  readonly lowerIsBetter: boolean;
}

const accuracy: RankedMeasure = {
  label: 'top-1 accuracy, %',
  value: ({ top1 }) => top1 ?? 0,
  digits: 2,
  lowerIsBetter: false,
};

function distanceOf({ objective }: BudgetRanking): RankedMeasure {
  const label = objective === 'classDivergence' ? 'KL from the uncompressed, nats' : objectiveTitle(objective);
  return { label, value: ({ distance }) => distance, digits: 5, lowerIsBetter: true };
}

function histogram(
  { budget, random, placed }: BudgetRanking,
  { label, value, digits, lowerIsBetter }: RankedMeasure,
): Html {
  const values = random.map((schedule) => ({ value: value(schedule) }));
  const own = placed.map((schedule) => ({ name: schedule.name, value: value(schedule) }));
  const at = (share: number): string => (quantile(values, share, (one) => one.value) ?? 0).toFixed(digits);
  const words = own.map((one) => `${one.name} has ${one.value.toFixed(digits)}`);
  return plotFigure({
    title: `${random.length} random schedules at a budget of ${budget}`,
    caption: 'How many random schedules have which value; the line is DiffRate’s own schedule.',
    description: `Histogram of ${label}: from ${at(0)} to ${at(1)}, median ${at(0.5)}. ${words.join('; ')}.`,
    legend: [
      { label: 'random schedules', colour: colours.before },
      ...(own.length === 0 ? [] : [{ label: 'DiffRate', colour: colours.target }]),
    ],
    plot: {
      x: { label, nice: true },
      y: { label: 'schedules', grid: true },
      marks: [
        rectY(values, { ...binX({ y: 'count' }, { x: 'value', thresholds: 30 }), fill: colours.before }),
        ruleX(own, { x: 'value', stroke: colours.target, strokeWidth: 2 }),
        ruleY([0]),
      ],
    },
    table: {
      header: ['', label],
      rows: [
        ['best of the random ones', lowerIsBetter ? at(0) : at(1)],
        ['best 1 %', lowerIsBetter ? at(0.01) : at(0.99)],
        ['median', at(0.5)],
        ['worst', lowerIsBetter ? at(1) : at(0)],
        ...own.map((one) => [one.name, one.value.toFixed(digits)]),
      ],
    },
  });
}
