/**
 * The picture of an image's tokens at one place of the network, as in Figure 5 of DiffRate (arXiv
 * 2305.17997) and in ToMe's `make_visualization`: patches that are tokens of their own as they
 * came, the patches of a merged token in their average colour with a border of that token's own
 * colour around them. The paper paints pruned patches black, which dark photos look like; here they
 * are hatched in two greys, which no photo looks like, whatever colours one can see. Where a
 * selection rule says why a patch went, a light or a dark disc on it says so.
 */
import type { RgbImage } from '../data/pillow-resize.ts';
import type { ImageSize } from '../data/preprocessing.ts';
import type { TokenLayout } from '../reduction/token-layout.ts';
import { pruned } from './token-groups.ts';
import type { MergeReason, TokenGroups } from './token-groups.ts';

/** A colour: red, green, blue from 0 to 255. */
export type Colour = readonly [number, number, number];

const black: Colour = [0, 0, 0];

/**
 * The longer side of a picture is at least this in pixels, so that borders and small inputs can be
 * seen.
 */
const smallestSide = 448;
/** A border is this share of that side. */
const sidesPerBorder = 224;

/** Hatching repeats after this share of the longer side. */
const sidesPerStripe = 28;
/** So much of a period is the light stripe. */
const lightShare = 0.25;
const hatchDark: Colour = [74, 74, 74];
const hatchLight: Colour = [200, 200, 200];

/** A disc on a merged patch says why it went: its radius, of the patch’s shorter side. */
const discRadius = 0.17;
const white: Colour = [255, 255, 255];
/** Inside and rim of a disc: light for likeness, dark for little attention. */
const discs: Readonly<Record<MergeReason, readonly [Colour, Colour]>> = {
  alike: [white, black],
  attention: [black, white],
};

/** Colour of a pruned patch's pixel: light diagonal stripes on dark. */
export function hatching(x: number, y: number, { height, width }: ImageSize): Colour {
  const period = Math.max(4, Math.round(Math.max(height, width) / sidesPerStripe));
  return (x + y) % period < lightShare * period ? hatchLight : hatchDark;
}

/** By how much a picture of this size is enlarged. */
export function pictureScale({ height, width }: ImageSize): number {
  return Math.max(1, Math.ceil(smallestSide / Math.max(height, width)));
}

/** Width of borders in a picture of this size, in pixels. */
export function borderWidth({ height, width }: ImageSize): number {
  return Math.max(1, Math.round(Math.max(height, width) / sidesPerBorder));
}

/** Where an image's patches lie. */
export interface PatchGrid {
  readonly grid: TokenLayout['grid'];
  /** Size of a patch in pixels of the image. */
  readonly patch: ImageSize;
}

/** An image enlarged by a whole number: every pixel becomes a square. */
export function enlarge({ data, width, height, channels }: RgbImage, scale: number): RgbImage {
  const result = new Uint8Array(width * scale * height * scale * 3);
  for (let y = 0; y < height * scale; y++) {
    for (let x = 0; x < width * scale; x++) {
      const from = (Math.floor(y / scale) * width + Math.floor(x / scale)) * channels;
      result.set(data.subarray(from, from + 3), (y * width * scale + x) * 3);
    }
  }
  return { data: result, width: width * scale, height: height * scale, channels: 3 };
}

/**
 * Draws tokens.
 * @param image the network's input before normalisation
 * @param patches where its patches lie; what is left over at the right and at the bottom is no
 *   patch and stays black
 */
export function tokenPicture(image: RgbImage, patches: PatchGrid, groups: TokenGroups): RgbImage {
  const scale = pictureScale(image);
  const picture = enlarge(image, scale);
  const { data, width, height } = picture as RgbImage & { data: Uint8Array };
  const { grid, patch } = patches;
  const cell = { height: patch.height * scale, width: patch.width * scale };
  const border = borderWidth(picture);
  const averages = averageColours(image, patches, groups);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y / cell.height);
    for (let x = 0; x < width; x++) {
      const column = Math.floor(x / cell.width);
      const colour =
        row < grid[0] && column < grid[1]
          ? colourAt(groups, averages, grid, {
              row,
              column,
              x: x % cell.width,
              y: y % cell.height,
              cell,
              border,
              hatch: () => hatching(x, y, picture),
            })
          : black;
      if (colour !== undefined) data.set(colour, (y * width + x) * 3);
    }
  }
  return picture;
}

/** A pixel of a picture. */
interface PlaceInPatch {
  readonly row: number;
  readonly column: number;
  /** Within the patch. */
  readonly x: number;
  readonly y: number;
  readonly cell: ImageSize;
  readonly border: number;
  /** What it is painted with where its patch is pruned. */
  readonly hatch: () => Colour;
}

/** What is painted over a pixel; `undefined` where the image shows. */
function colourAt(
  { owners, sizes, reasons }: TokenGroups,
  averages: readonly Colour[],
  [rowCount, columnCount]: TokenLayout['grid'],
  { row, column, x, y, cell, border, hatch }: PlaceInPatch,
): Colour | undefined {
  const owner = owners[row * columnCount + column] ?? pruned;
  if (owner === pruned) return hatch();
  if ((sizes[owner] ?? 0) < 2) return undefined;
  const near = (position: number, length: number): number =>
    position < border ? -1 : position >= length - border ? 1 : 0;
  const differs = (rows: number, columns: number): boolean => {
    const [otherRow, otherColumn] = [row + rows, column + columns];
    const inside = otherRow >= 0 && otherRow < rowCount && otherColumn >= 0 && otherColumn < columnCount;
    return !inside || owners[otherRow * columnCount + otherColumn] !== owner;
  };
  const [rows, columns] = [near(y, cell.height), near(x, cell.width)];
  // The neighbour across a corner counts as well, so that outlines are closed at inner corners.
  const onBorder =
    (rows !== 0 && differs(rows, 0)) ||
    (columns !== 0 && differs(0, columns)) ||
    (rows !== 0 && columns !== 0 && differs(rows, columns));
  if (onBorder) return borderColour(owners.indexOf(owner));
  const reason = reasons?.[row * columnCount + column];
  return (reason && discColour(reason, x, y, cell)) ?? averages[owner];
}

/** Colour of a disc’s pixel; `undefined` beside the disc. */
function discColour(reason: MergeReason, x: number, y: number, { height, width }: ImageSize): Colour | undefined {
  const radius = Math.max(1.5, discRadius * Math.min(height, width));
  const distance = Math.hypot(x + 0.5 - width / 2, y + 0.5 - height / 2);
  if (distance > radius) return undefined;
  const [inside, rim] = discs[reason];
  return distance > radius - Math.max(1, radius / 4) ? rim : inside;
}

/** Mean colour of all pixels of all patches of each token, rounded. */
function averageColours(image: RgbImage, { grid, patch }: PatchGrid, { owners, sizes }: TokenGroups): Colour[] {
  const sums = Array.from(sizes, (): [number, number, number] => [0, 0, 0]);
  for (let y = 0; y < grid[0] * patch.height; y++) {
    for (let x = 0; x < grid[1] * patch.width; x++) {
      const sum = sums[owners[Math.floor(y / patch.height) * grid[1] + Math.floor(x / patch.width)] ?? pruned];
      if (sum === undefined) continue;
      const from = (y * image.width + x) * image.channels;
      for (const channel of [0, 1, 2] as const) sum[channel] += image.data[from + channel] ?? 0;
    }
  }
  return sums.map((sum, token) => {
    const pixels = Math.max(1, (sizes[token] ?? 0) * patch.height * patch.width);
    return [Math.round(sum[0] / pixels), Math.round(sum[1] / pixels), Math.round(sum[2] / pixels)];
  });
}

/** In turns of the colour circle: the golden angle keeps colours of neighbours apart. */
const goldenAngle = (3 - Math.sqrt(5)) / 2;

/**
 * The border's colour of the token whose first patch this is: vivid, and another one for nearly
 * every patch.
 */
export function borderColour(firstPatch: number): Colour {
  const hue = (firstPatch * goldenAngle * 6) % 6;
  const channel = (offset: number): number => {
    const distance = Math.abs(((hue + offset) % 6) - 3);
    return Math.round(40 + 215 * Math.min(1, Math.max(0, distance - 1)));
  };
  return [channel(0), channel(4), channel(2)];
}
