/**
 * The few facts that are needed of a JPEG before decoding it, from its markers (ITU-T T.81, annex
 * B): size, kind, orientation, and whether its end is there.
 */
import { exifOrientation, xmpOrientation } from './exif.ts';

/** What a walk along the markers found. */
export interface JpegLayout {
  /** Whether an end-of-image marker follows the start of the picture. */
  readonly complete: boolean;
  /** The frame header, if one was found before the picture. */
  readonly frame?: JpegFrame | undefined;
  /** Orientation from 1 to 8: EXIF's, and XMP's where EXIF has none. */
  readonly orientation?: number | undefined;
}

/** A frame header (SOFn). */
export interface JpegFrame {
  /** n of SOFn: 0 baseline, 1 extended, 2 progressive, 9 and 10 the same with arithmetic coding. */
  readonly process: number;
  /** Bits of a sample. */
  readonly precision: number;
  readonly width: number;
  readonly height: number;
  /** 1 grey, 3 colour, 4 CMYK. */
  readonly components: number;
  /** How often the first component, which is brightness, is sampled where others are once. */
  readonly sampling: { readonly across: number; readonly down: number };
  /** Where height and then width stand, two bytes each. */
  readonly sizeAt: number;
}

const startOfScan = 0xda;
const application1 = 0xe1;
const exifSignature = Buffer.from('Exif\0\0', 'latin1');
const xmpSignature = Buffer.from('http://ns.adobe.com/xap/1.0/\0', 'latin1');

/** Whether a marker is a frame header; C4, C8 and CC in that range are other things. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/**
 * Walks the markers up to the first scan. Embedded thumbnails are skipped with the segment that
 * they are in.
 */
export function readJpegLayout(bytes: Uint8Array): JpegLayout {
  const short = (at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  let position = 2;
  let frame: JpegFrame | undefined;
  let orientation: number | undefined;
  let orientationOfXmp: number | undefined;
  while (position + 4 <= bytes.length) {
    if (bytes[position] !== 0xff) {
      position += 1;
      continue;
    }
    const marker = bytes[position + 1] ?? 0;
    // Fill bytes and markers that have no length.
    if (marker === 0xff || marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= 0xd8)) {
      position += marker === 0xff ? 1 : 2;
      continue;
    }
    const content = position + 4;
    if (isFrameHeader(marker)) {
      frame = {
        process: marker & 0x0f,
        precision: bytes[content] ?? 0,
        height: short(content + 1),
        width: short(content + 3),
        components: bytes[content + 5] ?? 0,
        sampling: { across: (bytes[content + 7] ?? 0) >> 4, down: (bytes[content + 7] ?? 0) & 15 },
        sizeAt: content + 1,
      };
    }
    if (marker === startOfScan) break;
    const end = position + 2 + short(position + 2);
    if (marker === application1) {
      const segment = bytes.subarray(content, end);
      const begins = (signature: Uint8Array): boolean => signature.every((byte, index) => segment[index] === byte);
      if (begins(exifSignature)) orientation ??= exifOrientation(segment.subarray(exifSignature.length));
      if (begins(xmpSignature)) orientationOfXmp ??= xmpOrientation(segment.subarray(xmpSignature.length));
    }
    position = end;
  }
  // The entropy-coded data cannot contain the two bytes of the end-of-image marker.
  const end = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).lastIndexOf('ffd9', undefined, 'hex');
  return { complete: end > position, frame, orientation: orientation ?? orientationOfXmp };
}
