/** Which images the compressed network sees otherwise, and what they look like. */
import type { Guess, ImagePrediction } from '../../evaluation/predictions.ts';
import type { Labels } from '../../loading/labels.ts';
import type { Answers } from '../../objectives/objective.ts';
import type { ChangedImage, ChangedImages } from '../changed-images.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import type { ReportSection } from '../page.ts';
import { encodePng } from '../picture-series.ts';
import { className, guessesInWords, percent } from '../predictions-in-words.ts';
import { enlarge } from '../token-picture.ts';

/** Pictures smaller than this are enlarged, in pixels. */
const smallestSide = 112;

/**
 * The images whose predicted class changed.
 * @param data the images in words: `650 images of imagenet-val`
 */
export async function changesSection(
  changes: ChangedImages,
  answers: Pick<Answers, 'kind'>,
  labels?: Labels,
  data?: string,
): Promise<ReportSection> {
  const { compared, changed, shown } = changes;
  const figures: Html[] = [];
  for (const one of shown) figures.push(await changedFigure(one, labels));
  const what = answers.kind === 'labels' ? 'labels' : 'class';
  const images = data ?? counted(compared, 'image');
  const verb = changed === 1 ? 'has' : 'have';
  return {
    id: 'changes',
    title: answers.kind === 'labels' ? 'Which images change labels' : 'Which images change class',
    content:
      changed === 0
        ? html`<p>None: both networks name the same ${what} for all of ${images}.</p>`
        : html`<p>
              Of ${images} ${changed} ${verb} ${answers.kind === 'labels' ? 'other labels' : 'another class'} in the
              compressed network.
              ${
                shown.length < changed
                  ? `The ${shown.length} whose answers moved furthest are shown, in that order.`
                  : shown.length > 1 && 'Those whose answers moved furthest come first.'
              }
              ${answers.kind === 'labels' && 'A label holds where it is more likely than not.'}
            </p>
            <div class="changes">${figures}</div>`,
  };
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

async function changedFigure({ prediction, picture }: ChangedImage, labels: Labels | undefined): Promise<Html> {
  const { file, label, before, after, kept, distance } = prediction;
  return html`<figure>
    ${picture === undefined ? html`<p class="missing">It cannot be read any more.</p>` : await thumbnail(picture, file)}
    <figcaption>
      <strong>${file}</strong>
      <dl class="guesses">
        <dt>uncompressed</dt>
        <dd>${guessesInWords(before, labels)}</dd>
        <dt>compressed</dt>
        <dd>${guessesInWords(after, labels)}${remaining(prediction, kept, labels)}</dd>
        ${
          label !== null &&
          html`<dt>label</dt>
            <dd>${className(labels, label)} (${whoIsRight(prediction, label)})</dd>`
        }
        <dt>distance</dt>
        <dd>${distance.toFixed(3)} nats</dd>
      </dl>
    </figcaption>
  </figure>`;
}

/** Which of the two networks names the image's label. */
function whoIsRight({ before, after }: ImagePrediction, label: number): string {
  if (before[0]?.class === label) return 'only the uncompressed network is right';
  return after[0]?.class === label ? 'only the compressed network is right' : 'neither network is right';
}

/** What is left of what the uncompressed network named and the compressed one does not. */
function remaining({ after }: ImagePrediction, kept: readonly Guess[], labels: Labels | undefined): string {
  const gone = kept.filter((guess) => after.every((other) => other.class !== guess.class));
  const [first] = gone;
  if (first === undefined || gone.length > 1) return '';
  return `; ${className(labels, first.class)} ${percent(first.probability)}`;
}

async function thumbnail(picture: NonNullable<ChangedImage['picture']>, file: string): Promise<Html> {
  const scale = Math.max(1, Math.ceil(smallestSide / Math.max(picture.width, picture.height)));
  const drawn = enlarge(picture, scale);
  const bytes = Buffer.from(await encodePng(drawn)).toString('base64');
  return html`<img
    src="data:image/png;base64,${bytes}"
    width="${drawn.width}"
    height="${drawn.height}"
    alt="${file}, as both networks see it"
  />`;
}
