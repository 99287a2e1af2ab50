/** The figures that matter most, before and after. */
import { formatGflops } from '../../cost/cost.ts';
import type { Measurements } from '../../evaluation/measurements.ts';
import type { Metrics } from '../../evaluation/metrics.ts';
import { shownMetrics } from '../../evaluation/shown-metrics.ts';
import { answersVerdict } from '../../evaluation/verdict.ts';
import { objectiveTitle } from '../../objectives/registry.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import type { ReportSection } from '../page.ts';

interface Card {
  readonly name: string;
  readonly value: string;
  readonly note: string;
}

/** FLOPs, throughput and latency, accuracy: one card each. */
export function headlineSection({ gflops, runs, evaluation, data }: Measurements): ReportSection {
  const cards: Card[] = [
    {
      name: 'FLOPs per image',
      value: `${formatGflops(gflops.after, gflops.before)} G`,
      note: `from ${formatGflops(gflops.before)} G (${changeInPercent(gflops.before, gflops.after)}), multiply-accumulates by the paper’s count`,
    },
  ];
  for (const { batch, imagesPerSecond, baselineImagesPerSecond, milliseconds, baselineMilliseconds, speedup } of runs) {
    cards.push(
      batch === 1
        ? {
            name: 'Latency of one image',
            value: `${milliseconds.toFixed(1)} ms`,
            note: `from ${baselineMilliseconds.toFixed(1)} ms: ${speedup.toFixed(2)}× as fast`,
          }
        : {
            name: `Throughput at batch ${batch}`,
            value: `${imagesPerSecond.toFixed(1)} images/s`,
            note: `from ${baselineImagesPerSecond.toFixed(1)}: ${speedup.toFixed(2)}× as fast`,
          },
    );
  }
  if (evaluation !== null) cards.push(...qualityCards(evaluation.before, evaluation.after));
  const verdict = evaluation === null ? null : answersVerdict(evaluation.after);
  const measured = evaluation?.after.kl === null ? 'The answers were compared' : 'Accuracy, agreement and KL';
  return {
    id: 'headline',
    title: 'What was gained',
    content: html`<dl class="cards">${cards.map(cardOf)}</dl>
      ${verdict !== null && html`<p><strong>${verdict.words}</strong></p>`}
      ${evaluation !== null && html`<p>${measured} on ${data ?? `${evaluation.after.images} images`}.</p>`}`,
  };
}

/** What compression costs in quality. */
function qualityCards(before: Metrics, after: Metrics): Card[] {
  const { top1, agreement, kl, objective } = after;
  const cards: Card[] = [];
  if (top1 !== null)
    cards.push({
      name: 'Top-1 accuracy',
      value: `${top1.toFixed(2)} %`,
      note: before.top1 === null ? '' : `from ${before.top1.toFixed(2)} % on the same images`,
    });
  if (agreement !== null)
    cards.push({
      name: 'Agreement',
      value: `${agreement.toFixed(2)} %`,
      note:
        kl === null
          ? 'of labels that hold for both networks, or for neither'
          : 'of images for which both networks name the same class',
    });
  if (kl !== null)
    cards.push({
      name: 'KL divergence',
      value: `${kl.toFixed(4)} nats`,
      note: 'of the class probabilities, from the uncompressed network’s; 0 is no change',
    });
  if (objective !== null && shownMetrics(after).includes('objective'))
    cards.push({
      name: 'Distance of the answers',
      value: objective.value.toFixed(4),
      note: `${objectiveTitle(objective.name)}, in ${objective.unit}, from the uncompressed network’s; 0 is no change`,
    });
  if (after.neighbourAgreement !== null)
    cards.push({
      name: 'Same neighbours',
      value: `${after.neighbourAgreement.toFixed(2)} %`,
      note: 'of images, whose nearest other image by features is still the same one',
    });
  return cards;
}

const cardOf = ({ name, value, note }: Card): Html =>
  html`<div>
    <dt>${name}</dt>
    <dd class="value">${value}</dd>
    <dd class="note">${note}</dd>
  </div>`;

/** `−36 %`. */
function changeInPercent(before: number, after: number): string {
  const change = Math.round(100 * (after / before - 1));
  return `${change < 0 ? '−' : '+'}${Math.abs(change)} %`;
}
