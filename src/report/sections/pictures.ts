/** What was kept, merged and pruned, on images (Figure 5 of the paper). */
import { mean } from 'd3-array';
import type { ImagePrediction } from '../../evaluation/predictions.ts';
import type { Labels } from '../../loading/labels.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import type { ReportSection } from '../page.ts';
import { encodePng } from '../picture-series.ts';
import type { PictureSeries } from '../picture-series.ts';
import type { RgbImage } from '../../data/pillow-resize.ts';
import { predictionInWords } from '../predictions-in-words.ts';
import { prefixInWords } from '../token-groups.ts';
import type { TokenCounts } from '../token-groups.ts';
import { dataTable } from '../plot.ts';

/** What is told beside the pictures. */
export interface PicturesOptions {
  /** What is special in pictures of the method's tokens, in a sentence. */
  readonly remark?: string | undefined;
  /** What both networks say of the images, where they name classes. */
  readonly predictions?: readonly ImagePrediction[] | null | undefined;
  /** Names of the classes. */
  readonly labels?: Labels | undefined;
}

/** The pictures of some images, within the page. */
export async function picturesSection(
  series: readonly PictureSeries[],
  { remark = '', predictions, labels }: PicturesOptions = {},
): Promise<ReportSection> {
  const named = new Map(predictions?.map((prediction) => [prediction.file, prediction]));
  const figures: Html[] = [];
  for (const one of series) figures.push(await seriesFigure(one, named.get(one.file), labels));
  return {
    id: 'pictures',
    title: 'What the network looks at',
    content: html`<p>
        Patches that are still tokens of their own are shown as they came. The patches of a merged token have their
        average colour and a border in that token’s own colour, also where they lie apart. Pruned patches are hatched.
        Look at whether the object keeps its patches while even background is merged. ${remark}
        ${reasonsInWords(series)} ${emptyBlocksInWords(series)}
        ${
          named.size > 0 &&
          'Below the name of an image stands what the uncompressed network says of it, and → what the compressed one says.'
        }
      </p>
      <ul class="legend marks">
        <li><span class="kept"></span>a token of its own</li>
        <li><span class="merged"></span>merged</li>
        <li><span class="pruned"></span>pruned</li>
        ${
          hasReasons(series) &&
          html`<li><span class="attention"></span>went for little attention</li>
            <li><span class="alike"></span>went because alike a more important token</li>`
        }
      </ul>
      ${figures}`,
  };
}

/** Whether a selection rule says why patches went. */
const hasReasons = (series: readonly PictureSeries[]): boolean =>
  series.some(({ counts }) => counts.some(({ alikePatches }) => alikePatches !== undefined));

/** What discs mean, in sentences; empty where there are none. */
function reasonsInWords(series: readonly PictureSeries[]): string {
  if (!hasReasons(series)) return '';
  return 'A disc on a merged patch says why it went: a dark one where its attention alone would have sent it, a light one where it went only because it is alike a more important token. A merged patch without a disc is where the others went.';
}

/**
 * Which blocks are not drawn because only prefix tokens are left after them, in a sentence; empty
 * where there are none.
 */
function emptyBlocksInWords(series: readonly PictureSeries[]): string {
  const [one] = series;
  if (one === undefined) return '';
  const hasPatches = (block: number): boolean =>
    series.some(({ counts }) => counts[block] !== undefined && counts[block].prunedPatches < patchesOf(counts[block]));
  const last = one.counts.findLastIndex((_, block) => hasPatches(block)) + 1;
  const drawn = one.blocks.some(({ block }) => block > last);
  if (last === one.counts.length || last === 0 || drawn) return '';
  return `After block ${last + 1} ${onlyPrefix(one.prefix)}, so there is nothing to show of it.`;
}

/** `only the class token is left`. */
const onlyPrefix = (prefix: number): string => `only ${prefixInWords(prefix)} ${prefix === 1 ? 'is' : 'are'} left`;

const patchesOf = ({ untouched, mergedPatches, prunedPatches }: TokenCounts): number =>
  untouched + mergedPatches + prunedPatches;

/** Pictures beside each other where the page is wide. */
const mostColumns = 6;

async function seriesFigure(
  { file, prefix, input, blocks, counts }: PictureSeries,
  prediction: ImagePrediction | undefined,
  labels: Labels | undefined,
): Promise<Html> {
  const pictures = [await pictureFigure(input, `${file}, as the network sees it`, html`input`)];
  for (const { block, picture } of blocks) {
    const count = counts[block - 1];
    const words = count === undefined ? '' : countsInWords(count, prefix);
    pictures.push(
      await pictureFigure(
        picture,
        `${file}, tokens after block ${block}: ${words}`,
        html`after block ${block}: ${words}`,
      ),
    );
  }
  return html`<figure class="series">
    <figcaption>
      <strong>${file}</strong>
      ${prediction !== undefined && html`<br />${predictionInWords(prediction, labels)}`}
    </figcaption>
    <div class="strip" style="--columns:${Math.min(pictures.length, mostColumns)}">${pictures}</div>
  </figure> `;
}

async function pictureFigure(picture: RgbImage, description: string, caption: Html): Promise<Html> {
  const bytes = Buffer.from(await encodePng(picture)).toString('base64');
  return html`<figure>
    <img
      src="data:image/png;base64,${bytes}"
      width="${picture.width}"
      height="${picture.height}"
      alt="${description}"
    />
    <figcaption>${caption}</figcaption>
  </figure>`;
}

/** `120 patches kept, 60 merged into 20 tokens, 16 pruned`. */
function countsInWords(counts: TokenCounts, prefix: number): string {
  const { untouched, mergedPatches, mergedTokens, prunedPatches, alikePatches = 0 } = counts;
  if (untouched + mergedPatches === 0) return onlyPrefix(prefix);
  return [
    `${untouched} patches kept`,
    ...(mergedPatches === 0
      ? []
      : [
          `${mergedPatches} merged into ${mergedTokens}${alikePatches === 0 ? '' : ` (${alikePatches} of them as alike)`}`,
        ]),
    ...(prunedPatches === 0 ? [] : [`${prunedPatches} pruned`]),
  ].join(', ');
}

/** What becomes of patches block by block, the mean over the images. */
export function patchCountsSection(series: readonly PictureSeries[]): ReportSection {
  const { counts = [], prefix = 0 } = series[0] ?? {};
  const { length } = counts;
  const rows = Array.from({ length }, (_, block) => {
    const mean = meanCounts(series, block);
    return [
      block + 1,
      ...[mean.tokens, mean.untouched, mean.mergedPatches, mean.mergedTokens, mean.prunedPatches].map(formatMean),
    ];
  });
  return {
    id: 'patches',
    title: 'Patches per block',
    content: dataTable(
      { header: ['block', 'tokens', 'patches kept', 'patches merged', 'into tokens', 'patches pruned'], rows },
      `After each block, ${series.length === 1 ? 'of the image' : `mean of ${series.length} images`}${prefix === 0 ? '' : `; tokens count ${prefixInWords(prefix)}`}`,
    ),
  };
}

/** Mean over images of the counts after a block (from 0). */
export function meanCounts(series: readonly PictureSeries[], block: number): TokenCounts {
  const over = (count: (counts: TokenCounts) => number): number =>
    mean(series, ({ counts }) => (counts[block] === undefined ? 0 : count(counts[block]))) ?? NaN;
  return {
    tokens: over(({ tokens }) => tokens),
    untouched: over(({ untouched }) => untouched),
    mergedTokens: over(({ mergedTokens }) => mergedTokens),
    mergedPatches: over(({ mergedPatches }) => mergedPatches),
    prunedPatches: over(({ prunedPatches }) => prunedPatches),
  };
}

/** A whole number as it is, a mean with one decimal. */
export function formatMean(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}
