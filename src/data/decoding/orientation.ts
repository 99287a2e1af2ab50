/**
 * Turns images as their EXIF orientation (CIPA DC-008, tag 274) says: a permutation of the pixels,
 * as Pillow's `ImageOps.exif_transpose` makes it.
 */
import type { DecodedImage, ImageReduction } from '../decoded-image.ts';
import type { PixelBox } from '../pillow-resize.ts';

/** How a stored image becomes an upright one: swap rows and columns first, then mirror. */
interface Turn {
  /** Columns become rows. */
  readonly transpose: boolean;
  /** Left becomes right, in the upright image. */
  readonly mirror: boolean;
  /** Top becomes bottom, in the upright image. */
  readonly flip: boolean;
}

/** By orientation less one. */
const turns: readonly Turn[] = [
  { transpose: false, mirror: false, flip: false },
  { transpose: false, mirror: true, flip: false },
  { transpose: false, mirror: true, flip: true },
  { transpose: false, mirror: false, flip: true },
  { transpose: true, mirror: false, flip: false },
  { transpose: true, mirror: true, flip: false },
  { transpose: true, mirror: true, flip: true },
  { transpose: true, mirror: false, flip: true },
];

/** Whether an orientation swaps width and height. */
export function swapsSides(orientation: number): boolean {
  return orientation >= 5 && orientation <= 8;
}

/**
 * The upright image.
 * @param orientation 1 to 8; anything else is taken for 1, as by other programs.
 */
export function turned(image: DecodedImage, orientation: number | undefined): DecodedImage {
  const turn = turns[(orientation ?? 1) - 1];
  if (turn === undefined || turn === turns[0]) return image;
  const { data: source, width: storedWidth, height: storedHeight, channels } = image;
  const [width, height] = turn.transpose ? [storedHeight, storedWidth] : [storedWidth, storedHeight];
  // Steps through the stored pixels while going right and down in the upright ones.
  const [right, down] = turn.transpose ? [storedWidth * channels, channels] : [channels, storedWidth * channels];
  const origin = (turn.mirror ? (width - 1) * right : 0) + (turn.flip ? (height - 1) * down : 0);
  const stepX = turn.mirror ? -right : right;
  const stepY = turn.flip ? -down : down;
  const data = new Uint8Array(width * height * channels);
  let to = 0;
  for (let y = 0; y < height; y++) {
    let from = origin + y * stepY;
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < channels; channel++) data[to++] = source[from + channel]!;
      from += stepX;
    }
  }
  const reduced = image.reduced && turnedReduction(image.reduced, turn, { width, height });
  return { ...image, data, width, height, reduced };
}

function turnedReduction(
  { whole, box }: ImageReduction,
  turn: Turn,
  size: { width: number; height: number },
): ImageReduction {
  const upright: PixelBox = turn.transpose
    ? { left: box.top, top: box.left, right: box.bottom, bottom: box.right }
    : { ...box };
  return {
    whole: turn.transpose ? { width: whole.height, height: whole.width } : whole,
    box: {
      left: turn.mirror ? size.width - upright.right : upright.left,
      right: turn.mirror ? size.width - upright.left : upright.right,
      top: turn.flip ? size.height - upright.bottom : upright.top,
      bottom: turn.flip ? size.height - upright.top : upright.bottom,
    },
  };
}
