/**
 * SHA-256 by the Web Crypto API, which Node and browsers share. Browsers offer it to pages of a
 * secure context alone: https, or localhost.
 */
import { DiffrateError } from '../errors.ts';

/**
 * SHA-256 of bytes.
 * @throws {DiffrateError} in a page without a secure context.
 */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  // Where the context is not secure the member is missing, whatever its type says.
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) {
    throw new DiffrateError(
      'Progress cannot be kept in a page that is neither on https nor on localhost, for browsers offer no SHA-256 there: open the page in one of these ways, or keep no progress.',
    );
  }
  // Memory that threads share must be copied for this.
  const own = bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : Uint8Array.from(bytes);
  return new Uint8Array(await subtle.digest('SHA-256', own));
}
