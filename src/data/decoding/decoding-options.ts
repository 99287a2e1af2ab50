/** What may be chosen of how image files become pixels. It belongs to a source of images. */
import { UsageError } from '../../errors.ts';

/** Names of decoders. */
export const imageDecoders = ['auto', 'exact'] as const;

/**
 * `auto`: Pillow's pixels bit for bit, but JPEGs of at least four times the size that a network
 * reads are decoded at a reduced size. `exact`: these are decoded whole, too.
 */
export type ImageDecoder = (typeof imageDecoders)[number];

/** How files become pixels. */
export interface DecodingOptions {
  /** Default `auto`. */
  readonly decoder?: ImageDecoder | undefined;
  /**
   * Leave photos lying as their pixels are stored, as torchvision does. By default they are turned
   * as their EXIF orientation says.
   */
  readonly ignoreOrientation?: boolean | undefined;
}

/** @throws {UsageError} where there is no decoder of that name, or orientation is no boolean. */
export function checkDecoding({ decoder, ignoreOrientation }: DecodingOptions): void {
  if (ignoreOrientation !== undefined && typeof ignoreOrientation !== 'boolean')
    throw new UsageError(`\`ignoreOrientation\` is true or false, not ${JSON.stringify(ignoreOrientation)}.`);
  if (decoder === undefined || imageDecoders.includes(decoder)) return;
  throw new UsageError(`There is no \`decoder\` ${JSON.stringify(decoder)}: choose ${imageDecoders.join(' or ')}.`);
}

/**
 * A text that differs where pixels may differ; empty for the defaults, so that what was known
 * without options is still known.
 */
export function decodingIdentity({ decoder = 'auto', ignoreOrientation = false }: DecodingOptions): string {
  return `${decoder === 'auto' ? '' : ` decoder ${decoder}`}${ignoreOrientation ? ' orientation ignored' : ''}`;
}
