/** How a report's subject was made: what one needs to make it again. */
import { html } from '../html.ts';
import type { ReportSection } from '../page.ts';

/** A fact and its name. */
export type Fact = readonly [name: string, value: string | number];

/** The facts as a list; `command` is shown as typed. */
export function provenanceSection(facts: readonly Fact[], command?: string): ReportSection {
  return {
    id: 'provenance',
    title: 'How it was made',
    content: html`<dl class="facts">
      ${
        command !== undefined &&
        html`<dt>command</dt>
          <dd><code>${command}</code></dd>`
      }${facts.map(
        ([name, value]) =>
          html`<dt>${name}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>`,
  };
}
