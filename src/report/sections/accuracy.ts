/** Accuracy before and after, and how near the compressed network is to the uncompressed one. */
import type { Measurements } from '../../evaluation/measurements.ts';
import type { Metrics } from '../../evaluation/metrics.ts';
import { objectiveLabel, shownMetrics } from '../../evaluation/shown-metrics.ts';
import type { ShownMetric } from '../../evaluation/shown-metrics.ts';
import { answersVerdict } from '../../evaluation/verdict.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import type { ReportSection } from '../page.ts';
import { dataTable } from '../plot.ts';

const number = (value: number | null | undefined, digits: number, unit = ''): string =>
  value === null || value === undefined ? '–' : `${value.toFixed(digits)}${unit}`;

/** Metrics on the evaluation images. */
export function accuracySection(
  evaluation: NonNullable<Measurements['evaluation']>,
  data?: string,
  remarks: readonly string[] = [],
): ReportSection {
  const { before, after } = evaluation;
  const skipped = after.skipped.length;
  const isClassifier = after.kl !== null;
  return {
    id: 'accuracy',
    title: isClassifier ? 'Accuracy and agreement' : 'The same answers',
    content: html`${dataTable(
      {
        header: ['', 'uncompressed', 'compressed'],
        rows: shownMetrics(after).map((name) => rowOf(name, before, after)),
      },
      data ?? `${after.images} images`,
    )}
    ${
      isClassifier &&
      after.top1 === null &&
      html`<p>The images have no labels, so there is no accuracy; agreement and KL need none.</p>`
    }
    ${remarks.map((remark) => html`<p>${remark}</p>`)}
    ${skipped > 0 && html`<p>${skipped === 1 ? 'One image' : `${skipped} images`} could not be decoded and ${skipped === 1 ? 'is' : 'are'} left out.</p>`}
    ${verdictOf(after)} ${isClassifier ? howToReadKl : howToReadObjective(after)}`,
  };
}

/** What the distance means, and where that is known from. */
function verdictOf(after: Metrics): Html | false {
  const verdict = answersVerdict(after);
  return (
    verdict !== null &&
    html`<p class="verdict"><strong>${verdict.words}</strong> ${verdict.source !== undefined && verdict.source}</p>`
  );
}

function rowOf(name: ShownMetric, before: Metrics, after: Metrics): [string, string, string] {
  switch (name) {
    case 'top1':
      return ['top-1', number(before.top1, 2, ' %'), number(after.top1, 2, ' %')];
    case 'top5':
      return ['top-5', number(before.top5, 2, ' %'), number(after.top5, 2, ' %')];
    case 'loss':
      return ['loss (cross-entropy, nats)', number(before.loss, 4), number(after.loss, 4)];
    case 'agreement':
      return ['agreement with the uncompressed', '', number(after.agreement, 2, ' %')];
    case 'kl':
      return ['KL from the uncompressed, nats', '', number(after.kl, 5)];
    case 'objective':
      return [after.objective === null ? '' : objectiveLabel(after.objective), '', number(after.objective?.value, 5)];
    case 'featureDistance':
      return ['1 − cosine of the features', '', number(after.featureDistance, 5)];
    case 'neighbourAgreement':
      return ['images with the same nearest neighbour', '', number(after.neighbourAgreement, 2, ' %')];
  }
}

const howToReadKl = html`<p>
  On some hundred images one image more or less is a large step of top-1: look at the KL divergence first. It is the
  mean over images of KL(uncompressed ‖ compressed) of the class probabilities; 0 is no change.
</p>`;

function howToReadObjective({ objective }: Metrics): Html | false {
  return (
    objective !== null &&
    html`<p>
      The ${objectiveLabel(objective)} is how far answers are from those of the uncompressed network on the same images;
      0 is no change.
    </p>`
  );
}
