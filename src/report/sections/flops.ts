/** What each block costs, before and after, by the paper's count. */
import { barY, ruleY } from '@observablehq/plot';
import { decimalsFor, formatGflops } from '../../cost/cost.ts';
import { baselineFlops, countFlops, flopsPerGflop } from '../../cost/flops.ts';
import type { CountedNetwork } from '../../cost/flops.ts';
import type { Measurements } from '../../evaluation/measurements.ts';
import type { KeptNumbers } from '../../reduction/schedule.ts';
import { html } from '../html.ts';
import type { ReportSection } from '../page.ts';
import { colours, dataTable, plotFigure } from '../plot.ts';

/** FLOPs per block before and after, and the totals by both counts. */
export function flopsSection(
  network: CountedNetwork,
  schedule: KeptNumbers,
  gflops: Measurements['gflops'],
): ReportSection {
  const before = baselineFlops(network).blocks;
  const blocks = countFlops(network, schedule).blocks.map((flops, index) => ({
    block: index + 1,
    before: (before[index] ?? 0) / flopsPerGflop,
    after: flops / flopsPerGflop,
  }));
  const decimals = decimalsFor(Math.max(...blocks.map((row) => row.before)), 4);
  return {
    id: 'flops',
    title: 'FLOPs per block',
    content: html`<div class="plots">
      ${plotFigure({
        title: 'FLOPs per block before and after',
        caption:
          'The part of a pale bar that shows above the coloured one is saved. Blocks behind a large step save as much as the step did.',
        description: `Bars per block: GFLOPs of the uncompressed and of the compressed network. In all ${formatGflops(gflops.before)} become ${formatGflops(gflops.after, gflops.before)} GFLOPs.`,
        legend: [
          { label: 'uncompressed', colour: colours.before },
          { label: 'compressed', colour: colours.after },
        ],
        plot: {
          x: { type: 'band', label: 'block' },
          y: { grid: true, nice: true, label: 'GFLOPs (10⁹ multiply-accumulates)' },
          marks: [
            barY(blocks, { x: 'block', y: 'before', fill: colours.before }),
            barY(blocks, { x: 'block', y: 'after', fill: colours.after }),
            ruleY([0]),
          ],
        },
        table: {
          header: ['block', 'GFLOPs before', 'GFLOPs after', 'ratio'],
          rows: blocks.map((row) => [
            row.block,
            row.before.toFixed(decimals),
            row.after.toFixed(decimals),
            ratio(row.before, row.after),
          ]),
        },
      })}
      <div>
        ${dataTable(
          {
            header: ['GFLOPs of one image', 'before', 'after', 'ratio'],
            rows: [
              [
                'paper’s count',
                formatGflops(gflops.before),
                formatGflops(gflops.after, gflops.before),
                ratio(gflops.before, gflops.after),
              ],
              [
                'really computed',
                formatGflops(gflops.realBefore),
                formatGflops(gflops.realAfter, gflops.realBefore),
                ratio(gflops.realBefore, gflops.realAfter),
              ],
            ],
          },
          'The whole network; FLOPs are multiply-accumulates',
        )}
        <p>
          The paper’s count is what targets, schedules and the literature’s tables mean. What is really computed is less
          where pruned tokens are never queries and where the last block of a network with a class token computes that
          token alone, and more by the products that match and merge tokens: compare speed-ups with this one.
        </p>
      </div>
    </div>`,
  };
}

const ratio = (before: number, after: number): string => `${(before / after).toFixed(2)}×`;
