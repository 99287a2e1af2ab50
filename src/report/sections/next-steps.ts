/** What to do with the result: lines to copy. */
import { html } from '../html.ts';
import type { ReportSection } from '../page.ts';

/** One thing to do. */
export interface NextStep {
  readonly title: string;
  /** What it is for, a sentence or two; none where the title says all. */
  readonly words?: string | undefined;
  /** Lines of a program or of a shell. */
  readonly code: string;
}

/** The steps, one block of lines each. */
export function nextStepsSection(steps: readonly NextStep[]): ReportSection {
  return {
    id: 'next',
    title: 'How to run it next',
    content: html`${steps.map(
      ({ title, words, code }) =>
        html`<h3>${title}</h3>
          ${words !== undefined && html`<p>${words}</p>`}
          <pre tabindex="0"><code>${code}</code></pre>`,
    )}`,
  };
}
