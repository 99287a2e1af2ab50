/** Image folders: what is listed, what is refused, and with which sentence. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkLabels } from '../../src/data/image-source.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import { DiffrateError, UsageError } from '../../src/errors.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-folder-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function put(...files: string[]): void {
  for (const file of files) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), 'not opened here');
  }
}

function putLabels(text: string): void {
  writeFileSync(join(directory, 'labels.csv'), text);
}

async function refusal(options?: Parameters<typeof openImageFolder>[1]): Promise<string> {
  const error: unknown = await openImageFolder(directory, options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DiffrateError);
  const message = error instanceof Error ? error.message : '';
  expect(message).toMatch(/^[^\n]+\.$/);
  return message;
}

test('a plain folder: images by extension in any case, sorted, without labels', async () => {
  put('b.JPEG', 'a.png', 'c.webp', 'notes.txt', '.hidden.jpg', 'd.bmp', 'e.tiff', 'README');
  const folder = await openImageFolder(directory);
  expect(folder.images).toEqual(['a.png', 'b.JPEG', 'c.webp', 'd.bmp', 'e.tiff'].map((file) => ({ file })));
  expect(folder.labelled).toBe(false);
  expect(folder.classes).toBeUndefined();
  expect(folder.keyOf?.({ file: 'a.png' })).toBe(join(directory, 'a.png'));
});

test('labels.csv gives order and labels, with quotes, line ends of any kind and columns in any order', async () => {
  put('images/one.jpg', 'images/two, with "quotes".jpg', 'three.jpg', 'unlisted.jpg');
  putLabels(
    '\uFEFFlabel,name,file\r\n7,x,three.jpg\r\n\r\n0,"a,b","images/two, with ""quotes"".jpg"\r\n 12 ,,images/one.jpg',
  );
  const folder = await openImageFolder(directory);
  expect(folder.labelled).toBe(true);
  expect(folder.images.slice(0, 3)).toEqual([
    { file: 'three.jpg', label: 7 },
    { file: 'images/two, with "quotes".jpg', label: 0 },
    { file: 'images/one.jpg', label: 12 },
  ]);
});

test('labels.csv needs no header line', async () => {
  put('one.jpg', 'two.jpg');
  putLabels('one.jpg,3\ntwo.jpg,4\n');
  expect((await openImageFolder(directory)).images.map(({ label }) => label)).toEqual([3, 4]);
});

test.each<[string, string[], RegExp]>([
  ['images beside sub-folders', ['a.jpg', 'x/b.jpg'], /sub-folders are left out/],
  ['an empty class', ['x/a.jpg', 'y/b.jpg', 'z/c.txt'], /without images: z\./],
])('%s: a warning, and with strict a failure', async (_, files, expected) => {
  put(...files);
  const warnings: string[] = [];
  const folder = await openImageFolder(directory, { onWarning: (message) => warnings.push(message) });
  expect(folder.images.length).toBeGreaterThan(0);
  expect(warnings.length).toBe(1);
  expect(warnings[0]).toMatch(expected);
  expect(await refusal({ strict: true })).toMatch(expected);
});

test('a missing folder, a file, and a folder without images are refused', async () => {
  expect(await refusal()).toMatch(/holds no images/);
  put('x/readme.txt', 'y/readme.txt');
  expect(await refusal()).toMatch(/holds no images/);
  await expect(openImageFolder(join(directory, 'missing'))).rejects.toThrow(/'.*missing' does not exist/);
  await expect(openImageFolder(join(directory, 'x/readme.txt'))).rejects.toThrow(/is not an IDX file/);
});

test('a limit takes images of all classes, always the same, and not the first ones', async () => {
  const names = Array.from({ length: 40 }, (_, index) => String(index).padStart(2, '0'));
  put(...names.map((name) => `${name}.jpg`), 'a/1.jpg', 'b/1.jpg', 'b/2.jpg', 'b/3.jpg');
  const files = async (limit: number): Promise<string[]> =>
    (await openImageFolder(directory, { limit })).images.map(({ file }) => file);
  const flat = await files(8);
  expect(flat).toHaveLength(8);
  expect(flat).toEqual([...flat].sort());
  expect(flat.filter((file) => file >= '20')).not.toEqual([]);
  expect(flat.filter((file) => file < '20')).not.toEqual([]);
  expect(await files(8)).toEqual(flat);
  expect(await files(99)).toHaveLength(40);
  putLabels(`file,label\n${names.map((name, index) => `${name}.jpg,${Math.floor(index / 10)}`).join('\n')}\n`);
  const labels = (await openImageFolder(directory, { limit: 8 })).images.map(({ label }) => label);
  expect(labels).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
  rmSync(join(directory, 'labels.csv'));
  for (const name of names) rmSync(join(directory, `${name}.jpg`));
  const folders = (await files(3)).map((file) => file.slice(0, 1));
  expect(folders).toEqual(['a', 'b', 'b']);
  await expect(openImageFolder(directory, { limit: 0 })).rejects.toThrow(UsageError);
  await expect(openImageFolder(directory, { limit: 1.5 })).rejects.toThrow(UsageError);
});

test('labels are checked against the number of classes', async () => {
  put('one.jpg', 'two.jpg');
  putLabels('file,label\none.jpg,9\ntwo.jpg,10\n');
  const folder = await openImageFolder(directory);
  expect(() => checkLabels(folder, 10)).toThrow(
    /label 10 of 'two\.jpg' .* 10 classes, 0 to 9; if these labels count from 1/,
  );
  expect(() => checkLabels(folder, 10)).toThrow(DiffrateError);
  checkLabels(folder, 11);
  checkLabels(folder, 0);
});
