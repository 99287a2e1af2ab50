/**
 * The orientation in an EXIF block (CIPA DC-008): a TIFF of entries of which the first directory
 * has tag 274; or in an XMP packet (ISO 16684), as `tiff:Orientation`. Faults in them are nobody's
 * concern, for the pixels do not lie there.
 */

const orientationTag = 274;
const shortType = 3;
const longType = 4;

/**
 * The orientation, from 1 to 8.
 * @param block begins with the byte order, `II` or `MM`.
 */
export function exifOrientation(block: Uint8Array): number | undefined {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  if (block.length < 8) return undefined;
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return undefined;
  const little = order === 0x4949;
  if (view.getUint16(2, little) !== 42) return undefined;
  const directory = view.getUint32(4, little);
  if (directory + 2 > block.length) return undefined;
  const entries = view.getUint16(directory, little);
  for (let entry = 0; entry < entries; entry++) {
    const at = directory + 2 + 12 * entry;
    if (at + 12 > block.length) return undefined;
    if (view.getUint16(at, little) !== orientationTag) continue;
    const type = view.getUint16(at + 2, little);
    // Some programs write it as a LONG, which Pillow reads, too.
    if (type !== shortType && type !== longType) continue;
    const value = type === shortType ? view.getUint16(at + 8, little) : view.getUint32(at + 8, little);
    return value >= 1 && value <= 8 ? value : undefined;
  }
  return undefined;
}

/** The orientation that an XMP packet gives as an attribute or an element, from 1 to 8. */
export function xmpOrientation(packet: Uint8Array): number | undefined {
  const text = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength).toString('latin1');
  const found = /tiff:Orientation(?:\s*=\s*["']|>)\s*([1-8])\s*["'<]/.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}
