/** What libvips says of a file, over several lines, as a clause of one line. */

const longest = 120;

/**
 * The reason why a file cannot be decoded.
 * @param message lines that may repeat each other, each perhaps with the name of a function.
 * @param kind what the file is.
 */
export function decoderSentence(message: string, kind: string): string {
  const lines = message
    .split('\n')
    // What sharp and libvips put before the format's own words, and what says nothing of the file.
    .map((line) => line.replace(/^(?:Input buffer has corrupt header: ?)?(?:[A-Za-z]\w*: ?)*/, '').trim())
    .filter((line) => line !== '' && !meaningless.test(line));
  const [first = ''] = lines;
  const compression = lines
    .map((line) => /^(\S+) compression support is not configured|^Compression scheme (\S+)/.exec(line))
    .find((match) => match !== null);
  if (compression !== undefined) {
    const name = compression[1] ?? `number ${compression[2]}`;
    return `the ${kind} is compressed with ${name}, which is not read: save it with Deflate or LZW`;
  }
  if (lines.some((line) => cutShort.test(line))) return `the ${kind} is cut short`;
  const words = first.length > longest ? `${first.slice(0, longest)}…` : first.replace(/[.:]$/, '');
  return words === '' ? `the ${kind} is damaged or cut short` : `the ${kind} is damaged: ${words}`;
}

/** Said of files that are cut short and of others, and seeks after which libvips went on. */
const meaningless =
  /^bad seek|unsupported image format|^unable to (?:parse image|read pixels)|^(?:libspng|libpng)? ?read error/i;

const cutShort =
  /premature end|unexpected end|truncat|not enough data|end of (?:file|data|stream)|out of data|got \d+ bytes, expected/i;
