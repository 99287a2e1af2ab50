/** Throughput and latency, before and after, at each batch size. */
import { barY, ruleY } from '@observablehq/plot';
import type { ThroughputRun } from '../../evaluation/throughput.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import type { ReportSection } from '../page.ts';
import { colours, dataTable, plotFigure } from '../plot.ts';

/**
 * Measured speed.
 * @param machine what it was measured on, in words
 */
export function speedSection(runs: readonly ThroughputRun[], machine?: string): ReportSection {
  const rows = runs.map((run) => [
    `batch ${run.batch}`,
    run.baselineImagesPerSecond.toFixed(1),
    run.imagesPerSecond.toFixed(1),
    run.baselineMilliseconds.toFixed(1),
    run.milliseconds.toFixed(1),
    `${run.speedup.toFixed(2)}×`,
    `${run.flopsRatio.toFixed(2)}×`,
  ]);
  const device = [...new Set(runs.map((run) => run.device))].join(', ');
  return {
    id: 'speed',
    title: 'Throughput and latency',
    content: html`<div class="plots">
        ${bars({
          runs,
          title: 'Throughput',
          label: 'images per second',
          caption: 'Higher is better. Medians of runs that took turns in one process, on random pixels.',
          before: (run) => run.baselineImagesPerSecond,
          after: (run) => run.imagesPerSecond,
        })}${bars({
          runs,
          title: 'Latency',
          label: 'milliseconds per image',
          caption:
            'Lower is better. The time of one run divided by its images; at batch 1 it is what a single picture waits.',
          before: (run) => run.baselineMilliseconds / run.batch,
          after: (run) => run.milliseconds / run.batch,
        })}
      </div>
      <h3>The same in numbers</h3>
      ${dataTable(
        {
          header: ['', 'images/s before', 'images/s after', 'ms before', 'ms after', 'speed-up', 'FLOPs ratio'],
          rows,
        },
        `Device ${device}${machine === undefined ? '' : `, ${machine}`}; ms are of one run of the whole batch`,
      )}
      <p>The FLOPs ratio is the speed-up of a machine whose time is FLOPs alone, by what is really computed.</p>`,
  };
}

interface SpeedBars {
  readonly runs: readonly ThroughputRun[];
  readonly title: string;
  readonly label: string;
  readonly caption: string;
  readonly before: (run: ThroughputRun) => number;
  readonly after: (run: ThroughputRun) => number;
}

function bars({ runs, title, label, caption, before, after }: SpeedBars): Html {
  const values = runs.flatMap((run) => [
    { batch: `batch ${run.batch}`, network: 'before', value: before(run) },
    { batch: `batch ${run.batch}`, network: 'after', value: after(run) },
  ]);
  const words = runs.map(
    (run) => `batch ${run.batch}: ${before(run).toFixed(1)} before, ${after(run).toFixed(1)} after`,
  );
  return plotFigure({
    title,
    caption,
    description: `Bars, ${label}. ${words.join('; ')}.`,
    legend: [
      { label: 'uncompressed', colour: colours.before },
      { label: 'compressed', colour: colours.after },
    ],
    plot: {
      height: 230,
      marginBottom: 30,
      x: { axis: null, domain: ['before', 'after'], padding: 0.15 },
      fx: { label: null, domain: runs.map((run) => `batch ${run.batch}`), axis: 'bottom', padding: 0.25 },
      y: { grid: true, nice: true, label },
      color: { domain: ['before', 'after'], range: [colours.before, colours.after] },
      marks: [barY(values, { fx: 'batch', x: 'network', y: 'value', fill: 'network' }), ruleY([0])],
    },
    table: {
      header: ['', `${label}, before`, 'after'],
      rows: runs.map((run) => [`batch ${run.batch}`, before(run).toFixed(1), after(run).toFixed(1)]),
    },
  });
}
