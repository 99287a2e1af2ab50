/**
 * An image beside its tokens after chosen blocks (Figure 5 of DiffRate, arXiv 2305.17997), drawn
 * and encoded as PNG.
 */
import sharp from 'sharp';
import type { DecodedImages } from '../data/decoded-images.ts';
import type { SourceImage, ImageSource } from '../data/image-source.ts';
import type { RgbImage } from '../data/pillow-resize.ts';
import { createNormalizer } from '../data/preprocess.ts';
import { valuesPerImage } from '../data/preprocessing.ts';
import { readCroppedImage } from '../data/read-image.ts';
import { DiffrateError, UsageError } from '../errors.ts';
import type { Model } from '../networks/model.ts';
import type { TokenLayout } from '../reduction/token-layout.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import { countTokens } from './token-groups.ts';
import type { TokenCounts } from './token-groups.ts';
import { enlarge, pictureScale, tokenPicture } from './token-picture.ts';
import { TokenTracer } from './token-trace.ts';
import type { TraceOptions } from './token-trace.ts';

/** The tokens after one block. */
export interface BlockPicture {
  /** Number of the block, from 1. */
  readonly block: number;
  readonly picture: RgbImage;
}

/** One image and what became of it. */
export interface PictureSeries {
  /** Path in the image folder. */
  readonly file: string;
  /**
   * Prefix tokens of the network: they are counted among its tokens, and are none of its patches.
   */
  readonly prefix: number;
  /** The network's input, at the pictures' size. */
  readonly input: RgbImage;
  readonly blocks: readonly BlockPicture[];
  /** Counts after every block, in order. */
  readonly counts: readonly TokenCounts[];
}

/** What to draw. */
export interface PictureRequest extends TraceOptions {
  readonly network: Model;
  readonly reducer: TokenReducer;
  readonly source: ImageSource;
  /** Images of the folder to draw, in this order. */
  readonly images: readonly SourceImage[];
  /** Where the images may be decoded already. */
  readonly decoded?: DecodedImages | undefined;
  /** Numbers of blocks, from 1; see `defaultBlocks`. */
  readonly blocks: readonly number[];
  /**
   * Called with one sentence for each image that cannot be decoded and is left out. Without it such
   * an image is an error.
   */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Called after each image. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
}

const blocksOfThePaper = [1, 4, 8, 12];

/**
 * Blocks 1, 4, 8 and 12, as in the paper, and the last one. Where only prefix tokens are left there
 * is nothing to see: of such a block no picture is drawn, and the last one that leaves any patches
 * takes its place.
 * @param tokensOut tokens after each block, prefix tokens counted
 */
export function defaultBlocks(tokensOut: readonly number[], { prefix }: Pick<TokenLayout, 'prefix'>): number[] {
  const last = Math.max(1, tokensOut.findLastIndex((tokens) => tokens > prefix) + 1);
  const blocks = new Set([...blocksOfThePaper.filter((block) => block <= last), last]);
  return [...blocks].sort((a, b) => a - b);
}

/**
 * Draws the images.
 * @throws DiffrateError if an image cannot be decoded (none can, where there is `onWarning`), or a
 *   block is not there
 */
export async function drawPictures(request: PictureRequest): Promise<PictureSeries[]> {
  const { network: model, reducer, source: folder, images, blocks, onWarning, onProgress } = request;
  const { network, preprocessing } = model;
  const { depth, layout, patch } = network;
  const missing = blocks.find((block) => !Number.isInteger(block) || block < 1 || block > depth);
  if (missing !== undefined) {
    throw new UsageError(`There is no block ${missing} in ${model.name}: its blocks are 1 to ${depth}.`);
  }
  const normalize = createNormalizer(preprocessing);
  const tracer = await TokenTracer.load(model, reducer, request);
  const series: PictureSeries[] = [];
  try {
    for (const [index, image] of images.entries()) {
      const cropped = await croppedImage(request, image, onWarning);
      if (cropped !== undefined) {
        const pixels = new Float32Array(valuesPerImage(preprocessing));
        normalize(cropped, pixels, 0);
        const groups = await tracer.trace(pixels);
        series.push({
          file: image.file,
          prefix: layout.prefix,
          input: enlarge(cropped, pictureScale(cropped)),
          blocks: groups.flatMap((group, position) =>
            blocks.includes(position + 1)
              ? [{ block: position + 1, picture: tokenPicture(cropped, { grid: layout.grid, patch }, group) }]
              : [],
          ),
          counts: groups.map(countTokens),
        });
      }
      onProgress?.(index + 1, images.length);
    }
  } finally {
    await tracer.dispose();
  }
  if (series.length === 0) {
    throw new DiffrateError(
      `None of the images in '${folder.name}' that were to be drawn can be decoded: replace them.`,
    );
  }
  return series;
}

async function croppedImage(
  { source: folder, network, decoded }: PictureRequest,
  image: SourceImage,
  onWarning: ((message: string) => void) | undefined,
): Promise<RgbImage | undefined> {
  try {
    return await readCroppedImage(folder, image, network.preprocessing, { decoded });
  } catch (error) {
    if (!(error instanceof DiffrateError) || onWarning === undefined) throw error;
    onWarning(error.message);
    return undefined;
  }
}

/** Free space between the pictures of a strip, in pixels. */
const gap = 12;

/** All pictures of a series side by side, the input first, on white. */
export function pictureStrip({ input, blocks }: PictureSeries): RgbImage {
  const pictures = [input, ...blocks.map(({ picture }) => picture)];
  const { height } = input;
  const width = pictures.reduce((sum, picture) => sum + picture.width, gap * (pictures.length - 1));
  const data = new Uint8Array(width * height * 3).fill(255);
  let left = 0;
  for (const picture of pictures) {
    for (let y = 0; y < height; y++) {
      const from = y * picture.width * 3;
      data.set(picture.data.subarray(from, from + picture.width * 3), (y * width + left) * 3);
    }
    left += picture.width + gap;
  }
  return { data, width, height, channels: 3 };
}

/** A picture as the bytes of a PNG file. */
export async function encodePng({ data, width, height, channels }: RgbImage): Promise<Uint8Array> {
  return sharp(data, { raw: { width, height, channels } }).png({ compressionLevel: 9 }).toBuffer();
}
