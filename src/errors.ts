/**
 * Errors that a user is meant to read: one sentence that says what is wrong, where, and what to do.
 * What to do is said in terms of this library: names of its options and functions stand in
 * backticks, so that a program can put its own words there. Anything else that is thrown is a
 * defect of this library.
 */

/** Controls, marks of line ends and of writing direction: they would rewrite the sentence. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** A failure that the user can mend: bad input, a missing file, an unreachable target. */
export class DiffrateError extends Error {
  override name = 'DiffrateError';

  /** @param message its control characters, which damaged files bring, are shown as escapes. */
  constructor(message: string, options?: ErrorOptions) {
    super(printable(message), options);
  }

  /** Options and functions of this library that the sentence advises, in its order: `weights`. */
  get advice(): readonly string[] {
    return Array.from(this.message.matchAll(/`([\w: ]+)`/g), ([, name = '']) => name);
  }
}

/** An option was used wrongly, which is known without trying (exit code 2 instead of 1). */
export class UsageError extends DiffrateError {
  override name = 'UsageError';
}

/** The message of anything that was thrown, for building a sentence around it. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A sentence, with controls of what it quotes as escapes (`\\u001b`). */
export function printable(sentence: string): string {
  return sentence.replaceAll(unprintable, escaped);
}

/** Characters of a quotation; what a sentence says must stay readable. */
const longestQuotation = 80;

/**
 * Text of a file, or anything else that nobody has checked, for a sentence: at most 80 characters,
 * controls as escapes (`\u001b`).
 */
export function shortened(text: string): string {
  // Cut first: a text may be megabytes long.
  const start = text.slice(0, longestQuotation + 1).replaceAll(unprintable, escaped);
  const cut = text.length > longestQuotation || start.length > longestQuotation;
  return cut ? `${start.slice(0, longestQuotation - 1).replace(/\\(?:u[\da-f]{0,3})?$/, '')}…` : start;
}

/** A value of a file in quotation marks; numbers, `true` and `null` stand as they are. */
export function quoted(value: unknown): string {
  if (typeof value === 'string') return `"${shortened(value)}"`;
  if (typeof value === 'object' && value !== null) return shortened(jsonOf(value));
  return shortened(String(value));
}

/** A value of a file may nest deeper than JSON.stringify can follow. */
function jsonOf(value: object): string {
  try {
    return JSON.stringify(value);
  } catch {
    return Array.isArray(value) ? '[…]' : '{…}';
  }
}

function escaped(character: string): string {
  const known = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character];
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
  return known ?? units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
