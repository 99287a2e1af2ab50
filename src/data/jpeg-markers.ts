/**
 * The few facts that are needed of a JPEG before decoding it, from its markers (ITU-T T.81, annex
 * B): how many colour components it has, and whether its end is there.
 */

/** What a walk along the markers found. */
export interface JpegLayout {
  /** 1 grey, 3 colour, 4 CMYK; 0 if no frame header was found. */
  readonly components: number;
  /** Whether an end-of-image marker follows the start of the picture. */
  readonly complete: boolean;
}

const START_OF_SCAN = 0xda;

/** Whether a file begins like a JPEG. */
export function isJpeg(bytes: Uint8Array): boolean {
  return bytes.length > 3 && bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
}

/** Whether a marker is a frame header; C4, C8 and CC in that range are other things. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/**
 * Walks the markers up to the first scan. Embedded thumbnails are skipped with the segment that
 * they are in.
 */
export function readJpegLayout(bytes: Uint8Array): JpegLayout {
  let position = 2;
  let components = 0;
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
    if (isFrameHeader(marker)) components = bytes[position + 9] ?? 0;
    if (marker === START_OF_SCAN) break;
    position += 2 + (((bytes[position + 2] ?? 0) << 8) | (bytes[position + 3] ?? 0));
  }
  // The entropy-coded data cannot contain the two bytes of the end-of-image marker.
  const end = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).lastIndexOf('ffd9', undefined, 'hex');
  return { components, complete: end > position };
}
