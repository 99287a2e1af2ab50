/** SHA-256, and what a page says that may not have it. */
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/data/digest.ts';
import { memoryImages } from '../../src/data/memory-images.ts';
import { DiffrateError } from '../../src/errors.ts';
import { textFingerprint } from '../../src/execution/fingerprints.ts';

describe('sha256', () => {
  it('is that of other programs, of shared memory too', async () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 251);
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    const expected = createHash('sha256').update(bytes).digest('hex');
    for (const given of [bytes, shared, bytes.subarray(0)])
      expect(Buffer.from(await sha256(given)).toString('hex')).toBe(expected);
    expect(await textFingerprint(bytes)).toBe(expected.slice(0, 12));
  });
});

describe('a page without a secure context', () => {
  const own = Object.getOwnPropertyDescriptor(globalThis, 'crypto') as PropertyDescriptor;
  afterEach(() => {
    Object.defineProperty(globalThis, 'crypto', own);
  });

  it.each([
    ['has `crypto` without `subtle`', {}],
    ['has no `crypto`', undefined],
  ])('%s, and is told what progress needs', async (_, crypto) => {
    const source = memoryImages([{ data: new Uint8Array(4), width: 2, height: 2 }]);
    Object.defineProperty(globalThis, 'crypto', { value: crypto, configurable: true });
    for (const asked of [textFingerprint('text'), source.identity()]) {
      const error: unknown = await asked.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(DiffrateError);
      expect(String(error)).toMatch(/^DiffrateError: Progress cannot be kept in a page that is neither on https nor/);
    }
  });
});
