/** Image folders: where the labels come from, what is refused, and with which sentence. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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
  expect(folder.images).toEqual([
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

test.each([
  ['file,label\none.jpg,1\nnowhere.jpg,2\n', /labels\.csv line 3 names 'nowhere\.jpg', which is not there/],
  ['file,label\none.jpg,cat\n', /line 2 gives 'one\.jpg' the label 'cat'/],
  ['file,label\none.jpg,-1\n', /the label '-1'/],
  ['file,label\none.jpg,1.5\n', /the label '1\.5'/],
  ['file,label\none.jpg\n', /the label ''/],
  ['file,label\n,1\n', /line 2 names no file/],
  ['path,class\none.jpg,1\n', /must begin with the line 'file,label'/],
  ['file,label\n', /lists no images/],
  ['', /labels\.csv/],
  ['file,label\n"one.jpg,1\n', /line 2 has a quote that is not closed/],
  ['file,label\n"one.jpg",1\n"two.jpg', /line 3 has a quote that is not closed/],
  ['file,label\none.jpg,"1""\n', /line 2 has a quote that is not closed/],
  ['file,label\r\n\r\n\r\none.jpg,cat\r\n', /line 4 gives 'one\.jpg' the label 'cat'/],
  ['file,label,note\none.jpg,1,"two\nlines"\none.jpg,x,\n', /line 4 gives 'one\.jpg' the label 'x'/],
])('labels.csv %j is refused in one sentence', async (text, expected) => {
  put('one.jpg');
  putLabels(text);
  expect(await refusal()).toMatch(expected);
});

test('class sub-folders: names in order from 0, nested images and links too', async () => {
  put('dog/2.jpg', 'dog/1.jpg', 'cat/deep/er/3.png', 'cat/notes.txt', 'zebra/4.gif', 'elsewhere.txt');
  symlinkSync(join(directory, 'dog'), join(directory, 'ant'));
  const folder = await openImageFolder(directory);
  expect(folder.classes).toEqual(['ant', 'cat', 'dog', 'zebra']);
  expect(folder.images).toEqual([
    { file: 'ant/1.jpg', label: 0 },
    { file: 'ant/2.jpg', label: 0 },
    { file: 'cat/deep/er/3.png', label: 1 },
    { file: 'dog/1.jpg', label: 2 },
    { file: 'dog/2.jpg', label: 2 },
    { file: 'zebra/4.gif', label: 3 },
  ]);
});

test.each<[string, string[], RegExp]>([
  ['images beside sub-folders', ['a.jpg', 'x/b.jpg'], /sub-folders are left out/],
  ['a single sub-folder', ['images/a.jpg'], /single sub-folder 'images'/],
  ['an empty class', ['x/a.jpg', 'y/b.jpg', 'z/c.txt'], /without images: z\./],
  ['some of ImageNet', ['n01440764/a.jpg', 'n01443537/b.jpg'], /not ImageNet's class numbers/],
])('%s: a warning, and with strict a failure', async (_, files, expected) => {
  put(...files);
  const warnings: string[] = [];
  const folder = await openImageFolder(directory, { onWarning: (message) => warnings.push(message) });
  expect(folder.images.length).toBeGreaterThan(0);
  expect(warnings.length).toBe(1);
  expect(warnings[0]).toMatch(expected);
  expect(await refusal({ strict: true })).toMatch(expected);
});

test('a single sub-folder gives no labels', async () => {
  put('images/a.jpg');
  expect(await openImageFolder(directory)).toMatchObject({ labelled: false, images: [{ file: 'images/a.jpg' }] });
});

test('a missing folder, a file, and a folder without images are refused', async () => {
  expect(await refusal()).toMatch(/holds no images/);
  put('x/readme.txt', 'y/readme.txt');
  expect(await refusal()).toMatch(/holds no images/);
  await expect(openImageFolder(join(directory, 'missing'))).rejects.toThrow(/'.*missing' does not exist/);
  await expect(openImageFolder(join(directory, 'x/readme.txt'))).rejects.toThrow(/is not an IDX file/);
});

test('a limit takes the first images, or classes in turn', async () => {
  put('a/1.jpg', 'a/2.jpg', 'a/3.jpg', 'b/1.jpg', 'b/2.jpg');
  const files = async (limit: number): Promise<string[]> =>
    (await openImageFolder(directory, { limit })).images.map(({ file }) => file);
  expect(await files(2)).toEqual(['a/1.jpg', 'b/1.jpg']);
  expect(await files(3)).toEqual(['a/1.jpg', 'a/2.jpg', 'b/1.jpg']);
  expect(await files(99)).toHaveLength(5);
  putLabels('file,label\nb/2.jpg,1\na/1.jpg,0\nmissing.jpg,0\n');
  expect(await files(2)).toEqual(['b/2.jpg', 'a/1.jpg']);
  await expect(openImageFolder(directory, { limit: 0 })).rejects.toThrow(UsageError);
  await expect(openImageFolder(directory, { limit: 1.5 })).rejects.toThrow(UsageError);
});

test('labels are checked against the number of classes', async () => {
  put('one.jpg', 'two.jpg');
  putLabels('file,label\none.jpg,9\ntwo.jpg,10\n');
  const folder = await openImageFolder(directory);
  expect(() => checkLabels(folder, 10)).toThrow(/label 10 of 'two\.jpg' .* 10 classes, 0 to 9\.$/);
  expect(() => checkLabels(folder, 10)).toThrow(DiffrateError);
  checkLabels(folder, 11);
  checkLabels(folder, 0);
});
