/**
 * `npx tsx scripts/token-diagram.ts SCHEDULE.json FILE.svg`: the picture of the README, tokens of
 * two of the demo's images after some blocks, as `diffrate show` draws them (Figure 5 of DiffRate,
 * arXiv 2305.17997). Shapes and text alone, so that it shows wherever images do, light or dark.
 */
import { writeFile } from 'node:fs/promises';
import { openImages } from '../src/data/open-images.ts';
import type { RgbImage } from '../src/data/pillow-resize.ts';
import { readScheduleFile } from '../src/exporting/schedule-file.ts';
import { loadModel } from '../src/loading/load-model.ts';
import { diffRate } from '../src/reduction/methods/diffrate.ts';
import { drawPictures } from '../src/report/picture-series.ts';
import type { PictureSeries } from '../src/report/picture-series.ts';
import { nodeRuntime } from '../src/runtime/node/runtime.ts';

const imageFile = 'examples/demo-model/images/evaluation-images-idx3-ubyte.gz';
/** An ankle boot and a bag. */
const chosenImages = [18, 17];
const chosenBlocks = [2, 5, 7];

/** In units of the drawing. */
const side = 200;
const gap = 16;
const captionHeight = 28;

interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * A picture as rectangles of one colour each, by colour, where it differs from what lies below it:
 * runs of a row, joined with equal ones above. Lengths count borders, which are
 * the thinnest that a picture has.
 */
function rectanglesOf(picture: RgbImage, below?: RgbImage): Map<string, Rectangle[]> {
  const byColour = new Map<string, Rectangle[]>();
  const width = picture.width / borderWidth;
  const height = picture.height / borderWidth;
  let open = new Map<string, Rectangle>();
  for (let y = 0; y < height; y++) {
    const row = new Map<string, Rectangle>();
    for (let x = 0, end = 0; x < width; x = end) {
      const colour = colourAt(picture, x, y);
      const shown = below === undefined || colourAt(below, x, y) !== colour;
      const same = (at: number): boolean =>
        colourAt(picture, at, y) === colour && (below === undefined || (colourAt(below, at, y) !== colour) === shown);
      for (end = x + 1; end < width && same(end);) end++;
      if (!shown) continue;
      const key = `${colour} ${x} ${end}`;
      const above = open.get(key);
      row.set(key, { x, y: above?.y ?? y, width: end - x, height: (above?.height ?? 0) + 1 });
      open.delete(key);
    }
    keep(open, byColour);
    open = row;
  }
  keep(open, byColour);
  return byColour;
}

/** In pictures of 448 pixels. */
const borderWidth = 2;

function colourAt({ data, width, channels }: RgbImage, x: number, y: number): string {
  const from = borderWidth * (y * width + x) * channels;
  return [0, 1, 2].map((channel) => (data[from + channel] ?? 0).toString(16).padStart(2, '0')).join('');
}

function keep(ended: ReadonlyMap<string, Rectangle>, byColour: Map<string, Rectangle[]>): void {
  for (const [key, rectangle] of ended) {
    const colour = key.slice(0, 6);
    byColour.set(colour, [...(byColour.get(colour) ?? []), rectangle]);
  }
}

/** Shapes of a picture; with nothing below, its most common colour is a square below all others. */
function shapesOf(picture: RgbImage, below?: RgbImage): string {
  const byColour = [...rectanglesOf(picture, below)].sort(([, a], [, b]) => areaOf(b) - areaOf(a));
  const ground = below === undefined ? byColour.shift() : undefined;
  const length = picture.width / borderWidth;
  const square = ground && `<path fill="#${ground[0]}" d="M0 0h${length}v${length}H0z"/>`;
  const shapes = byColour.map(([colour, rectangles]) => {
    const path = rectangles.map(({ x, y, width, height }) => `M${x} ${y}h${width}v${height}h-${width}z`).join('');
    return `<path fill="#${colour}" d="${path}"/>`;
  });
  return [square, ...shapes].join('');
}

/** A row: the image, then its pictures as what differs from it. */
function drawnRow({ input, blocks }: PictureSeries, row: number): string[] {
  const scale = (side * borderWidth) / input.width;
  const top = captionHeight + row * (side + gap);
  const place = (column: number): string =>
    `transform="translate(${column * (side + gap)} ${top}) scale(${scale.toFixed(5)})"`;
  const image = `<g ${place(0)}><g id="image-${row}">${shapesOf(input)}</g></g>`;
  const pictures = blocks.map(
    ({ picture }, index) => `<g ${place(index + 1)}><use href="#image-${row}"/>${shapesOf(picture, input)}</g>`,
  );
  return [image, ...pictures];
}

const areaOf = (rectangles: readonly Rectangle[]): number =>
  rectangles.reduce((sum, { width, height }) => sum + width * height, 0);

function diagram(series: readonly PictureSeries[]): string {
  const [first] = series;
  if (first === undefined) throw new RangeError('there are no pictures');
  const tokens = chosenBlocks.map((block) => first.counts[block - 1]?.tokens ?? 0);
  const captions = [
    `${1 + (first.counts[0]?.untouched ?? 0)} tokens`,
    ...chosenBlocks.map((block, index) => `after block ${block}: ${tokens[index]}`),
  ];
  const width = captions.length * (side + gap) - gap;
  const height = captionHeight + series.length * (side + gap) - gap;
  const text = captions.map(
    (caption, column) => `<text x="${column * (side + gap) + side / 2}" y="18">${caption}</text>`,
  );
  const pictures = series.flatMap(drawnRow);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Two images, and their patches as tokens: ${captions.join(', ')}">
<style>text{font:16px system-ui,sans-serif;text-anchor:middle;fill:#57606a}@media(prefers-color-scheme:dark){text{fill:#9aa4ae}}path{shape-rendering:crispEdges}</style>
${text.join('\n')}
${pictures.join('\n')}
</svg>
`;
}

const [scheduleFile, target] = process.argv.slice(2);
if (scheduleFile === undefined || target === undefined) {
  console.error('usage: npx tsx scripts/token-diagram.ts SCHEDULE.json FILE.svg');
  process.exitCode = 2;
} else {
  const model = await loadModel('vit_demo_patch2_28');
  const source = await openImages(imageFile);
  const series = await drawPictures({
    runtime: nodeRuntime,
    network: model,
    reducer: diffRate(await readScheduleFile(scheduleFile), model.network),
    source,
    images: source.images.filter((_, index) => chosenImages.includes(index)),
    blocks: chosenBlocks,
  });
  await writeFile(target, diagram(series));
}
