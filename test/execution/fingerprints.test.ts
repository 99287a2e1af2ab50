/** Images under the same names are others where their content is. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodeIdx } from '../../src/data/idx-file.ts';
import { imageFiles } from '../../src/data/image-files.ts';
import { openIdxImages } from '../../src/data/idx-images.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { imagesFingerprint } from '../../src/execution/fingerprints.ts';

let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'diffrate-fingerprints-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const put = (name: string, ...bytes: number[]): void => writeFileSync(join(root, name), Uint8Array.from(bytes));

it('tells files of other content, of the same size too', async () => {
  put('a.png', 1, 2);
  put('b.png', 3, 4);
  const opened = (): ImageSource => imageFiles(root, [{ file: 'a.png' }, { file: 'b.png' }]);
  const before = await imagesFingerprint(opened());
  expect(await imagesFingerprint(opened())).toBe(before);
  put('a.png', 3, 4);
  put('b.png', 1, 2);
  expect(await imagesFingerprint(opened())).not.toBe(before);
});

it('tells many files of other sizes, and reads none of them', async () => {
  const images = Array.from({ length: 4097 }, () => ({ file: 'many.png' }));
  const opened = (): ImageSource => ({
    ...imageFiles(root, images),
    digestOf: () => Promise.reject(new Error('is not to be read')),
  });
  put('many.png', 1);
  const before = await imagesFingerprint(opened());
  put('many.png', 2);
  expect(await imagesFingerprint(opened())).toBe(before);
  put('many.png', 1, 2);
  expect(await imagesFingerprint(opened())).not.toBe(before);
});

it('tells IDX files of other pixels', async () => {
  const file = join(root, 'images-idx3-ubyte');
  const fingerprint = async (...pixels: number[]): Promise<string> => {
    writeFileSync(file, encodeIdx({ dimensions: [1, 1, 2], data: Uint8Array.from(pixels) }));
    return imagesFingerprint(await openIdxImages(file, () => undefined, 'none'));
  };
  const before = await fingerprint(1, 2);
  expect(await fingerprint(1, 2)).toBe(before);
  expect(await fingerprint(2, 1)).not.toBe(before);
});
