/**
 * The text of a table file. Excel saves "Unicode text" as UTF-16 with a mark (FF FE or FE FF), and
 * "CSV" in the code page of Windows; all else is UTF-8, with a mark or without.
 */

/** Bytes as text, without its mark. */
export function tableText(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  // Names and numbers in UTF-16 have a zero in every second byte, which no text in UTF-8 has.
  if (first !== 0 && second === 0) return new TextDecoder('utf-16le').decode(bytes);
  if (first === 0 && second !== 0 && second !== undefined) return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}
