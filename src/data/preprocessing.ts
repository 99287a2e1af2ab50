/** How an image becomes a network's input, as data. `preprocess.ts` does it. */

/** The sides of an image in pixels. */
export interface ImageSize {
  readonly height: number;
  readonly width: number;
}

/** The size of an image whose sides are both `side` pixels. */
export function square(side: number): ImageSize {
  return { height: side, width: side };
}

/** Whether both sides are equal. */
export function isSquare({ height, width }: ImageSize): boolean {
  return height === width;
}

/** A size in words, height first: `224×224`. */
export function sizeText({ height, width }: ImageSize): string {
  return `${height}×${width}`;
}

/** One number per channel of the network's input: grey, or red, green and blue. */
export type PerChannel = readonly [number] | readonly [number, number, number];

/** Whether the network reads one channel, the grey image. */
export function isGrey({ mean }: Pick<Preprocessing, 'mean'>): boolean {
  return mean.length === 1;
}

/** Numbers of a network's input, `channels · height · width`. */
export function valuesPerImage({ crop, mean }: Pick<Preprocessing, 'crop' | 'mean'>): number {
  return mean.length * crop.height * crop.width;
}

/**
 * How an image becomes a network's input: resized, centre-cropped, normalised.
 * Values of `mean` and `std` are per channel (red, green, blue) on a 0…1 scale. Where there is
 * one of each, images become grey first.
 */
export interface Preprocessing {
  /**
   * What images are resized to, in the way of `resizeMode`. No side is smaller than that of `crop`.
   */
  readonly resize: ImageSize;
  /**
   * `cover` (default): the image keeps its ratio and covers `resize`. With equal sides that is
   * torchvision's `Resize(side)`: the short side gets `side` pixels, the other is truncated. With
   * unequal sides it is timm's `ResizeKeepRatio`: one side fits, the other is rounded. `stretch`:
   * both sides become those of `resize`, whatever the ratio (Hugging Face's ViT, timm's `squash`).
   */
  readonly resizeMode?: 'cover' | 'stretch';
  /** The centre crop: the network's input size. */
  readonly crop: ImageSize;
  readonly interpolation: 'bicubic' | 'bilinear';
  readonly mean: PerChannel;
  readonly std: PerChannel;
}
