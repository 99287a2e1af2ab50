/** What a reader may say of a damaged file: one sentence for people. */

/** Longer ones quote too much of the file. */
const longest = 700;

/** Whether a message is one line without control characters, and not a page of them. */
export function isSentence(message: string): boolean {
  return message.length > 0 && message.length <= longest && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(message);
}

/**
 * Checks a warning.
 * @throws {Error} where it is no sentence.
 */
export function requireSentence(warning: string): void {
  if (!isSentence(warning)) throw new Error(`a warning is no sentence: ${JSON.stringify(warning.slice(0, 300))}`);
}
