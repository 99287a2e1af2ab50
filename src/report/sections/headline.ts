/** The figures that matter most, before and after. */
import type { Measurements } from '../../evaluation/measurements.ts';
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
      value: `${gflops.after.toFixed(3)} G`,
      note: `from ${gflops.before.toFixed(3)} G (${changeInPercent(gflops.before, gflops.after)}), multiply-accumulates by the paper’s count`,
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
  if (evaluation !== null) {
    const { before, after } = evaluation;
    if (after.top1 !== null)
      cards.push({
        name: 'Top-1 accuracy',
        value: `${after.top1.toFixed(2)} %`,
        note: before.top1 === null ? '' : `from ${before.top1.toFixed(2)} % on the same images`,
      });
    if (after.agreement !== null)
      cards.push({
        name: 'Agreement',
        value: `${after.agreement.toFixed(2)} %`,
        note: 'of images for which both networks name the same class',
      });
    if (after.kl !== null)
      cards.push({
        name: 'KL divergence',
        value: `${after.kl.toFixed(4)} nats`,
        note: 'of the class probabilities, from the uncompressed network’s; 0 is no change',
      });
  }
  return {
    id: 'headline',
    title: 'What was gained',
    content: html`<dl class="cards">${cards.map(cardOf)}</dl>
      ${evaluation !== null && html`<p>Accuracy, agreement and KL on ${data ?? `${evaluation.after.images} images`}.</p>`}`,
  };
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
