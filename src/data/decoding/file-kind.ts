/** What a file is, by its first bytes: its name may say something else. */
import { bitmapHeaderSizes } from './bitmap-header.ts';

/** Kinds that are decoded. */
export type ImageKind = 'JPEG' | 'PNG' | 'GIF' | 'WebP' | 'TIFF' | 'AVIF' | 'BMP';

const startLength = 512;

/**
 * Which kind of image it is.
 * @throws Error with the reason, where it is none of those that are decoded.
 */
export function imageKindOf(bytes: Uint8Array): ImageKind {
  if (bytes.length === 0) throw new Error('the file is empty');
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, startLength)).toString('latin1');
  const begins = ([, ...starts]: readonly [string, ...string[]]): boolean =>
    starts.some((signature) => start.startsWith(signature));
  const image = images.find(begins);
  if (image !== undefined) return image[0];
  if (start.startsWith('RIFF') && start.startsWith('WEBP', 8)) return 'WebP';
  if (start.startsWith('BM') && hasBitmapHeader(start)) return 'BMP';
  if (start.startsWith('ftyp', 4)) return kindOfIsoMedia(start);
  const other = others.find(begins)?.[0] ?? texts.find(([, words]) => words.test(start))?.[0];
  if (other !== undefined) throw new Error(`it is ${other}`);
  throw new Error('it is no image of a known kind');
}

const images: readonly (readonly ['JPEG' | 'PNG' | 'GIF' | 'TIFF', ...string[]])[] = [
  ['JPEG', '\xff\xd8\xff'],
  ['PNG', '\x89PNG\r\n\x1a\n'],
  ['GIF', 'GIF87a', 'GIF89a'],
  ['TIFF', 'II*\0', 'MM\0*', 'II+\0', 'MM\0+'],
];

const unread = 'which is not read: save it as JPEG or PNG';

const others: readonly (readonly [string, ...string[]])[] = [
  [`JPEG XL, ${unread}`, '\xff\x0a', '\0\0\0\x0cJXL '],
  [`JPEG 2000, ${unread}`, '\0\0\0\x0cjP  ', '\xff\x4f\xff\x51'],
  [`an icon, ${unread}`, '\0\0\x01\0', '\0\0\x02\0'],
  [`a Photoshop document, ${unread}`, '8BPS'],
  [`OpenEXR, ${unread}`, 'v/1\x01'],
  [`Radiance HDR, ${unread}`, '#?RADIANCE'],
  [`a PDF document, ${unread}`, '%PDF-'],
  ['a ZIP archive and no image', 'PK\x03\x04'],
  ['a gzip file and no image', '\x1f\x8b'],
  ['a Git LFS pointer in place of the file: fetch it with git lfs pull', 'version https://git-lfs'],
];

const texts: readonly (readonly [string, RegExp])[] = [
  [`a PPM or PGM image, ${unread}`, /^P[1-7]\s/],
  [`an SVG drawing, ${unread}`, /^[^<]{0,3}\s*<(?:svg|\?xml[^]*<svg|!--[^]*<svg|!DOCTYPE svg)/i],
  ['a web page and no image', /^[^<]{0,3}\s*<(?:!DOCTYPE html|html)/i],
  ['text and no image', /^[\t\n\r\x20-\x7e]+$/],
];

/** Texts may begin with BM, too. */
function hasBitmapHeader(start: string): boolean {
  if (start.length < 18) return true;
  return start.startsWith('\0\0\0', 15) && bitmapHeaderSizes.includes(start.charCodeAt(14));
}

/** Brands of ISO base media files (ISO/IEC 14496-12 and 23008-12): AVIF, HEIC and films. */
function kindOfIsoMedia(start: string): ImageKind {
  const length = [0, 1, 2, 3].reduce((sum, at) => sum * 256 + start.charCodeAt(at), 0);
  const brands: readonly string[] = start.slice(8, Math.min(length, startLength)).match(/[^]{4}/g) ?? [];
  if (brands.includes('avif') || brands.includes('avis')) return 'AVIF';
  if (brands.some((brand) => /^(?:hei[csmx]|hev[csmx]|mif1|msf1)$/.test(brand)))
    throw new Error(`it is HEIC, ${unread}`);
  throw new Error('it is a film and no image');
}
