/** Accuracy before and after, and how near the compressed network is to the uncompressed one. */
import type { Measurements } from '../../evaluation/measurements.ts';
import { html } from '../html.ts';
import type { ReportSection } from '../page.ts';
import { dataTable } from '../plot.ts';

const number = (value: number | null, digits: number, unit = ''): string =>
  value === null ? '–' : `${value.toFixed(digits)}${unit}`;

/** Metrics on the evaluation images. */
export function accuracySection(evaluation: NonNullable<Measurements['evaluation']>, data?: string): ReportSection {
  const { before, after } = evaluation;
  const skipped = after.skipped.length;
  return {
    id: 'accuracy',
    title: 'Accuracy and agreement',
    content: html`${dataTable(
        {
          header: ['', 'uncompressed', 'compressed'],
          rows: [
            ['top-1', number(before.top1, 2, ' %'), number(after.top1, 2, ' %')],
            ['top-5', number(before.top5, 2, ' %'), number(after.top5, 2, ' %')],
            ['loss (cross-entropy, nats)', number(before.loss, 4), number(after.loss, 4)],
            ['agreement with the uncompressed', '', number(after.agreement, 2, ' %')],
            ['KL from the uncompressed, nats', '', number(after.kl, 5)],
          ],
        },
        data ?? `${after.images} images`,
      )}
      ${after.top1 === null && html`<p>The images have no labels, so there is no accuracy; agreement and KL need none.</p>`}
      ${skipped > 0 && html`<p>${skipped === 1 ? 'One image' : `${skipped} images`} could not be decoded and ${skipped === 1 ? 'is' : 'are'} left out.</p>`}
      <p>
        On some hundred images one image more or less is a large step of top-1: look at the KL divergence first. It is
        the mean over images of KL(uncompressed ‖ compressed) of the class probabilities; 0 is no change.
      </p>`,
  };
}
