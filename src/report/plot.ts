/**
 * Plots as SVG within the page, in the page's colours: Observable Plot, drawn into a document of
 * its own.
 */
import * as Plot from '@observablehq/plot';
import type { PlotOptions } from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { Html, html } from './html.ts';

/** Colours by meaning; the page's style says what they are in light and in dark. */
export const colours = {
  before: 'var(--before)',
  after: 'var(--after)',
  kept: 'var(--kept)',
  merged: 'var(--merged)',
  pruned: 'var(--pruned)',
  target: 'var(--target)',
} as const;

/** What a colour stands for. */
export interface LegendEntry {
  readonly label: string;
  readonly colour: string;
}

/** A table of numbers that says what a plot shows. */
export interface DataTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** A plot with everything that belongs to it. */
export interface PlotFigure {
  readonly title: string;
  /** What to look at, one or two sentences. */
  readonly caption: string;
  /** What the plot shows, for those who cannot see it. */
  readonly description: string;
  readonly legend?: readonly LegendEntry[];
  readonly plot: PlotOptions;
  /** The same numbers; shown when asked for. */
  readonly table: DataTable;
}

/** Narrow, with large letters, so that a phone can show it. */
const size = { width: 420, height: 270, marginLeft: 54, marginBottom: 44, marginTop: 30 } as const;

/** The figure as HTML. */
export function plotFigure({ title, caption, description, legend = [], plot, table }: PlotFigure): Html {
  return html`<figure>
    ${drawPlot(plot, description)}
    ${
      legend.length > 0 &&
      html`<ul class="legend">
        ${legend.map(({ label, colour }) => html`<li><span style="background:${colour}"></span>${label}</li>`)}
      </ul>`
    }
    <figcaption><strong>${title}.</strong> ${caption}</figcaption>
    <details>
      <summary>The numbers</summary>
      ${dataTable(table)}
    </details>
  </figure> `;
}

function drawPlot(options: PlotOptions, description: string): Html {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const svg = Plot.plot({
    ...size,
    ...options,
    document: document as unknown as Document,
    className: 'plot',
    style: { fontSize: '13px' },
  });
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', description);
  return new Html(svg.outerHTML);
}

/** Figures, dashes and units; what else a column holds is words. */
const figures = /^[-−+\d.,–×%<> ]*$/;

/**
 * A table that may be wider than the page: it then scrolls, and says so. Columns of words wrap, so
 * that they leave room for figures, which never do.
 */
export function dataTable({ header, rows }: DataTable, caption?: string): Html {
  const isWords = (cell: string | number | undefined): boolean => !figures.test(String(cell ?? ''));
  const ofWords = header.map((_, column) => 2 * rows.filter((row) => isWords(row[column])).length > rows.length);
  const classOf = (column: number, cell?: string | number): Html | false => {
    const names = [...(ofWords[column] === true ? ['left'] : []), ...(isWords(cell) ? ['words'] : [])];
    return names.length > 0 && html` class="${names.join(' ')}"`;
  };
  return html`<div class="table">
    ${caption !== undefined && html`<p class="caption">${caption}</p>`}
    <p class="hint">There is more to the right: scroll the table →</p>
    <div class="scroll" tabindex="0" role="region" aria-label="${caption ?? header.join(', ')}">
      <table>
        <thead>
          <tr>
            ${header.map((cell, column) => html`<th scope="col" ${classOf(column)}>${cell}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) =>
              html`<tr>
                ${row.map((cell, column) =>
                  column === 0
                    ? html`<th scope="row" ${classOf(column, cell)}>${cell}</th>`
                    : html`<td ${classOf(column, cell)}>${cell}</td>`,
                )}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </div>`;
}
