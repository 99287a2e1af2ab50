/**
 * What a distance means, in words: for summary, model card and report alike. The ranges of KL are
 * what DeiT-T showed on 650 images of ImageNet under many schedules (docs/results.md, "What a KL
 * goes with"; `npm run bench -- kl-ranges`). A distance without such a measurement has no verdict,
 * at most its own definition in plain words.
 */
import type { Metrics } from './metrics.ts';

/** A verdict. */
export interface Verdict {
  /** What is to be said, in sentences. */
  readonly words: string;
  /** What the words rest on, a sentence; absent where they only say what was measured. */
  readonly source?: string;
}

/** What KL in a range goes with. */
interface KlRange {
  /** The range ends below this, in nats. */
  readonly below: number;
  /** How far answers moved. */
  readonly moved: string;
  /** Agreement on DeiT-T. */
  readonly agreement: string;
  /** Points of top-1 that DeiT-T lost. */
  readonly lost: string;
}

const klRanges: readonly KlRange[] = [
  { below: 0.003, moved: 'hardly moved', agreement: '98 to 100 %', lost: 'at most 0.2 points less top-1' },
  { below: 0.01, moved: 'moved a little', agreement: '97 to 98 %', lost: 'at most 0.5 points less top-1' },
  { below: 0.03, moved: 'moved somewhat', agreement: '94 to 97 %', lost: 'up to 1.5 points less top-1' },
  { below: 0.1, moved: 'moved much', agreement: '91 to 95 %', lost: '1 to 3 points less top-1' },
  { below: Infinity, moved: 'moved very much', agreement: 'less than 90 %', lost: 'more than 4 points less top-1' },
];

/** On fewer images a mean says little of others. */
const fewImages = 100;

/** Distances below this are rounding. */
const leastDistance = 1e-7;

/**
 * What the distance of a network from its original means; `null` where nobody has measured what
 * such a distance goes with.
 * @param metrics of the changed network, beside the original.
 */
export function answersVerdict(metrics: Metrics): Verdict | null {
  if (metrics.kl !== null) return klVerdict(metrics, metrics.kl);
  const { objective, neighbourAgreement } = metrics;
  if (objective === null) return null;
  if (objective.name === 'regressionError') {
    const share = `${(100 * objective.value).toPrecision(2)} %`;
    return {
      words: `The numbers are off by ${share} of how much they vary from image to image (root mean square).${few(metrics)}`,
    };
  }
  if (objective.name === 'featureDistance' && neighbourAgreement !== null) {
    const share = `${neighbourAgreement.toFixed(1)} %`;
    return { words: `For ${share} of the images the most similar other image is still the same one.${few(metrics)}` };
  }
  return null;
}

function klVerdict(metrics: Metrics, kl: number): Verdict {
  const { agreement, images } = metrics;
  const found = klRanges.findIndex(({ below }) => kl < below);
  const range = klRanges[found];
  if (range === undefined) throw new RangeError(`a KL of ${kl} is in no range`);
  const from = klRanges[found - 1]?.below;
  const span =
    from === undefined
      ? `below ${range.below}`
      : found === klRanges.length - 1
        ? `above ${from}`
        : `of ${from} to ${range.below}`;
  const moved = kl < leastDistance ? 'did not move' : range.moved;
  const here =
    agreement === null
      ? ''
      : ` (KL ${kl.toFixed(4)} nats; the same class for ${agreement.toFixed(1)} % of ${images} images)`;
  return {
    words: `The answers ${moved}${here}.${few(metrics)}`,
    source: `On DeiT-T and 650 images of ImageNet a KL ${span} went with ${range.agreement} agreement and ${range.lost} (docs/results.md, “What a KL goes with”); other networks and images may differ.`,
  };
}

const few = ({ images }: Metrics): string =>
  images < fewImages
    ? ` ${images === 1 ? 'One image is' : `${images} images are`} few: evaluate on more before you trust it.`
    : '';
