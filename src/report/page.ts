/**
 * A report: one HTML file that opens from disk, needs no network and runs no script. It is a list
 * of sections, put together from what is known.
 */
import { Html, html } from './html.ts';
import { reportStyle } from './style.ts';

/** One section of a report. */
export interface ReportSection {
  /** Fragment of the section's address, unique in the page. */
  readonly id: string;
  readonly title: string;
  readonly content: Html;
}

/** A whole report. */
export interface ReportPage {
  readonly title: string;
  /** One sentence below the title. */
  readonly summary: string;
  readonly sections: readonly ReportSection[];
}

/**
 * The policy makes sure of it: nothing is loaded and nothing is executed, whatever a file name may
 * contain.
 */
const contentSecurityPolicy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/** The file's text. */
export function reportPage({ title, summary, sections }: ReportPage): string {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="${contentSecurityPolicy}" />
        <meta name="generator" content="diffrate" />
        <title>${title}</title>
        <style>
          ${new Html(reportStyle)}
        </style>
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          <p>${summary}</p>
          <nav aria-label="Sections">
            <ul>
              ${sections.map((section) => html`<li><a href="#${section.id}">${section.title}</a></li>`)}
            </ul>
          </nav>
        </header>
        <main>${sections.map(sectionOf)}</main>
      </body>
    </html> `;
  return page.text;
}

function sectionOf({ id, title, content }: ReportSection): Html {
  return html`<section id="${id}" aria-labelledby="${id}-title">
    <h2 id="${id}-title">${title}</h2>
    ${content}
  </section> `;
}
