/** How large an image may be: files can claim sizes that no memory holds. */

/** Pillow's limit: a quarter of a gigabyte of RGB, twice over. */
export const mostPixels = 178_956_970;

/** @throws Error with the reason, where there are more pixels than are decoded, or none. */
export function checkPixels(width: number, height: number): void {
  if (width < 1 || height < 1) throw new Error(`it is ${width} × ${height} pixels large`);
  if (width * height <= mostPixels) return;
  throw new Error(
    `it has ${width} × ${height} pixels, more than the ${Math.floor(mostPixels / 1e6)} million that are read`,
  );
}

/** Deflate makes at most so many bytes of one ("Maximum Compression Factor" in zlib's notes). */
const deflateFactor = 1032;

/**
 * Checks the size that a PNG claims against what its bytes can hold, before there is memory for it.
 * @param bytes from the signature on (PNG specification, section 11.2.1: IHDR).
 * @throws Error with the reason.
 */
export function checkPngContent(bytes: Uint8Array): void {
  if (bytes.length < 26) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = { 2: 3, 4: 2, 6: 4 }[view.getUint8(25)] ?? 1;
  checkContent(view.getUint32(16), view.getUint32(20), (samples * view.getUint8(24)) / deflateFactor, bytes.length);
}

/**
 * Checks the size that a JPEG with Huffman coding claims: a block of 8 × 8 pixels takes a bit at
 * least, for its mean.
 * @throws Error with the reason.
 */
export function checkJpegContent(width: number, height: number, bytes: number): void {
  checkContent(width, height, 1 / 64, bytes);
}

/**
 * Checks the size that a run-length encoded bitmap claims: two bytes make 255 pixels at most, and
 * steps over pixels a few more.
 * @throws Error with the reason.
 */
export function checkRunsContent(width: number, height: number, bytes: number): void {
  checkContent(width, height, 1 / 64, bytes);
}

function checkContent(width: number, height: number, leastBitsPerPixel: number, bytes: number): void {
  if ((width * height * leastBitsPerPixel) / 8 <= bytes) return;
  throw new Error(`it claims ${width} × ${height} pixels, more than its ${bytes} bytes can hold: it is damaged`);
}
