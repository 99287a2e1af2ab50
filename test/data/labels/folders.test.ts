/** Class sub-folders: what their names mean to a network, and what is no class. */
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openImageFolder } from '../../../src/data/open-image-folder.ts';
import { imageFacts, imageLine } from '../../../src/data/labels/describe-labels.ts';
import { folderLabels } from '../../../src/data/labels/folder-labels.ts';
import { labelsFromScratch } from '../../../src/data/labels/resolve-labels.ts';
import { namesWithoutDescriptions } from '../../../src/loading/labels.ts';
import { clothes, imageTree, refusal, resolved } from './image-tree.ts';
import type { ImageTree } from './image-tree.ts';

let tree: ImageTree;
beforeEach(() => (tree = imageTree()));
afterEach(() => tree.remove());

const numbered = (count: number, first = 0): string[] =>
  Array.from({ length: count }, (_, index) => `${index + first}/a.png`);

describe('names of the network’s classes', () => {
  it('are its numbers, in any case and with what file names cannot hold replaced', async () => {
    tree.put('ankle_boot/a.png', 'SNEAKER/deep/er/b.png', 'T-shirt_top/c.png', 'Coat/d.png');
    const { labels, warnings, source } = await resolved(tree.root);
    expect(labels).toEqual({
      'ankle_boot/a.png': 9,
      'SNEAKER/deep/er/b.png': 7,
      'T-shirt_top/c.png': 0,
      'Coat/d.png': 4,
    });
    expect(warnings).toEqual([]);
    expect(imageFacts(source)).toEqual({ name: tree.root, images: 4, labels: 4, labelsFrom: 'class names' });
    expect(imageLine(source)).toMatch(/^4 images of .*, 4 labels, from sub-folders that bear the names of the network/);
  });

  it('may be one of several synonyms, where one class alone has it', async () => {
    const names = { 0: 'tench, Tinca tinca', 1: 'crane', 2: 'crane', 3: 'bass, crane' };
    tree.put('Tench/a.png', 'bass/b.png', 'crane/c.png');
    const { labels, warnings } = await resolved(tree.root, { count: 4, names });
    expect(labels).toEqual({ 'Tench/a.png': 0, 'bass/b.png': 3, 'crane/c.png': undefined });
    expect(warnings).toEqual([expect.stringMatching(/1 that do not \('crane'\)/)]);
  });

  it('of one folder out of several are chance', async () => {
    tree.put('Coat/a.png', 'lorry/b.png', 'train station/c.png');
    const { labels, warnings } = await resolved(tree.root);
    expect(Object.values(labels)).toEqual([undefined, undefined, undefined]);
    expect(warnings).toEqual([expect.stringMatching(/'Coat', 'lorry', 'train station', which are no names of/)]);
  });

  it('may be those of a single folder', async () => {
    tree.put('Bag/a.png');
    expect((await resolved(tree.root)).labels).toEqual({ 'Bag/a.png': 8 });
  });

  it('say nothing to a network that names no classes: the sentence says so, and what to do', async () => {
    tree.put('Coat/a.png', 'Bag/b.png');
    const { warnings, labels } = await resolved(tree.root, { count: 10 });
    expect(Object.values(labels)).toEqual([undefined, undefined]);
    expect(warnings).toEqual([
      expect.stringMatching(
        /the network names no classes: .*numbers from 0, .*labels\.csv.*id2label.*`labels` to folders/,
      ),
    ]);
  });

  it('are not asked for by a network without classes', async () => {
    tree.put('x/a.png', 'y/b.png');
    const { source, warnings } = await resolved(tree.root, { count: 0 });
    expect(source.labelled).toBe(false);
    expect(warnings).toEqual([]);
  });
});

describe('names that are whole numbers', () => {
  it('from 0 are the labels: 10 and 11 do not come before 2', async () => {
    tree.put(...numbered(12));
    const { labels, source } = await resolved(tree.root, { count: 12 });
    expect(labels).toEqual(Object.fromEntries(numbered(12).map((file, index) => [file, index])));
    expect(source.labelling?.origin).toBe('class numbers');
  });

  it('may leave classes out, and begin with zeros', async () => {
    tree.put('00/a.png', '07/a.png', '03/a.png');
    expect((await resolved(tree.root)).labels).toEqual({ '00/a.png': 0, '07/a.png': 7, '03/a.png': 3 });
  });

  it('from 1 to the number of classes are class + 1, which is said', async () => {
    tree.put(...numbered(10, 1));
    const { labels, source } = await resolved(tree.root);
    expect(labels).toEqual(Object.fromEntries(numbered(10, 1).map((file, index) => [file, index])));
    expect(imageLine(source)).toContain("counted from 1: '1' is class 0");
  });

  it('may have another folder among them, whose images have no label', async () => {
    tree.put(...numbered(10), 'extra/a.png');
    const { labels, warnings } = await resolved(tree.root);
    const expected = Object.fromEntries(numbered(10).map((file, index) => [file, index]));
    expect(labels).toEqual({ ...expected, 'extra/a.png': undefined });
    expect(warnings).toEqual([expect.stringMatching(/class numbers, and 1 that does not \('extra'\): images in/)]);
    tree.put('d/1/a.png', 'd/2/a.png', 'd/extra/a.png');
    expect(Object.values((await resolved(join(tree.root, 'd'))).labels)).toEqual([undefined, undefined, undefined]);
  });

  it('with two readings are refused with both', async () => {
    tree.put('1/a.png', '2/a.png', '7/a.png');
    const sentence = await refusal(resolved(tree.root));
    expect(sentence).toMatch(/'1' is class 1 where .* and '1' is class 0 where they count from 1/);
    expect(sentence).toContain('10 classes, 0 to 9');
    expect(sentence).toContain('`labels`');
  });

  it.each([
    [['0/a.png', '10/a.png'], /up to 10/],
    [['1994/a.png', '2003/b.png'], /up to 2003/],
  ])('that no class has are refused: %j', async (files, sentence) => {
    tree.put(...files);
    expect(await refusal(resolved(tree.root))).toMatch(sentence);
  });

  it('are read as names where the network’s classes are called so', async () => {
    tree.put('1/a.png', '2/b.png');
    const names = { 0: '1', 1: '2', 2: '3' };
    expect((await resolved(tree.root, { count: 3, names })).labels).toEqual({ '1/a.png': 0, '2/b.png': 1 });
    tree.put('0/a.png');
    expect(Object.values((await resolved(tree.root, { count: 3, names })).labels)).toEqual([0, 1, 2]);
  });
});

describe('WordNet ids', () => {
  it('of all of ImageNet are numbered in their order', () => {
    const names = Array.from({ length: 1000 }, (_, index) => `n${10_000_000 + 7 * index}`);
    const folderOf = new Map(names.map((name) => [`${name}/a.png`, name]));
    const evidence = { kind: 'folders', folder: 'val', names, folderOf } as const;
    const { numbers, how, warning } = folderLabels(evidence, { count: 1000 });
    expect([...numbers]).toEqual(names.map((name, index) => [name, index]));
    expect(how).toContain('ImageNet’s numbering');
    expect(warning).toBeUndefined();
    expect(folderLabels(evidence, { count: 1001 }).numbers.size).toBe(0);
  });

  it('of some classes give no labels, unless the network names them', async () => {
    tree.put('n01443537/a.png', 'n01440764/b.png');
    const { labels, warnings } = await resolved(tree.root, { count: 1000 });
    expect(Object.values(labels)).toEqual([undefined, undefined]);
    expect(warnings).toEqual([expect.stringMatching(/2 of ImageNet’s 1000 class folders/)]);
    const described = { count: 1000, names: { 0: 'tench', 1: 'goldfish' } };
    const otherNames = namesWithoutDescriptions(['n01440764', 'n01443537']);
    expect((await resolved(tree.root, { ...described, otherNames })).labels).toEqual({
      'n01440764/b.png': 0,
      'n01443537/a.png': 1,
    });
    const names = { 0: 'n01440764 tench', 1: 'n01443537' };
    expect((await resolved(tree.root, { count: 1000, names })).labels).toEqual({
      'n01440764/b.png': 0,
      'n01443537/a.png': 1,
    });
  });
});

describe('parts of a data set', () => {
  it('are no classes: the sentence names them', async () => {
    tree.put('train/Coat/a.png', 'Val/Coat/b.png', 'test/c.png');
    expect(await refusal(openImageFolder(tree.root))).toMatch(/sub-folders Val, test, train, .*give one of them/);
    const { labels } = await resolved(join(tree.root, 'train'));
    expect(labels).toEqual({ 'Coat/a.png': 4 });
    const all = await openImageFolder(tree.root, { labels: 'none' });
    expect(all.images).toHaveLength(3);
    expect((await openImageFolder(tree.root, { labels: 'folders' })).classes).toEqual(['Val', 'test', 'train']);
  });

  it('that stand alone are taken, with the table in them', async () => {
    tree.put('data/train/a.png', 'data/train/b.png');
    tree.write('data/train/labels.csv', 'a.png,Dress\nb.png,Bag\n');
    const { labels, warnings } = await resolved(join(tree.root, 'data'));
    expect(labels).toEqual({ 'a.png': 3, 'b.png': 8 });
    expect(warnings).toEqual([expect.stringMatching(/single sub-folder 'train': it is taken in its place/)]);
  });
});

describe('what is no class', () => {
  it('shifts no labels: folders of systems, hidden ones, and those of this program', async () => {
    const stray = ['__MACOSX', '@eaDir', '$RECYCLE.BIN', 'System Volume Information', 'thumbs', '.cache'];
    tree.put(...numbered(10), ...stray.map((name) => `${name}/._a.png`));
    tree.put('out/config.json', 'out/onnx/model.onnx', 'shown/report.html', 'run/a.checkpoint');
    const quiet = await resolved(tree.root);
    expect(quiet.labels).toEqual(Object.fromEntries(numbered(10).map((file, index) => [file, index])));
    expect(quiet.warnings).toEqual([]);
    tree.put('@eaDir/x/thumb.jpg', 'shown/a.png');
    expect((await resolved(tree.root)).warnings).toEqual([
      expect.stringMatching(/no classes and are left out, with images in them: @eaDir, shown\.$/),
    ]);
  });

  it('is a link that leads upwards or to what is read anyway; others are followed, once', async () => {
    tree.put('data/0/a.png', 'data/1/b.png', 'elsewhere/c.png', 'data/.hidden/d.png');
    symlinkSync('..', join(tree.root, 'data/0/up'));
    symlinkSync('../..', join(tree.root, 'data/0/higher'));
    symlinkSync('..', join(tree.root, 'data/1/up'));
    symlinkSync('0', join(tree.root, 'data/5'));
    symlinkSync('../elsewhere', join(tree.root, 'data/2'));
    symlinkSync('../elsewhere', join(tree.root, 'data/3'));
    symlinkSync('.hidden', join(tree.root, 'data/4'));
    const { labels, warnings } = await resolved(join(tree.root, 'data'));
    expect(labels).toEqual({ '0/a.png': 0, '1/b.png': 1, '2/c.png': 2, '4/d.png': 4 });
    expect(warnings.at(-1)).toMatch(/not followed: 3, 5, 0\/higher, 0\/up, 1\/up\.$/);
  });

  it('is a file of another kind: they are counted and named', async () => {
    tree.put('a.jpg', 'b.JFIF', 'c.jpe', 'd.HEIC', 'e.heic', 'f.svg', 'g.ppm', 'notes.txt');
    const { source, warnings } = await resolved(tree.root);
    expect(source.images.map(({ file }) => file)).toEqual(['a.jpg', 'b.JFIF', 'c.jpe']);
    expect(warnings).toEqual([
      expect.stringMatching(/4 files of kinds that are not read.*: 2 \.heic, 1 \.ppm, 1 \.svg;/),
    ]);
  });

  it('is told of where there is nothing else', async () => {
    tree.put('a.heic', 'data.zip');
    expect(await refusal(openImageFolder(tree.root))).toMatch(/holds no images: .* 1 \.heic; .*unpack the archive/);
  });
});

describe('`labels`', () => {
  it('as folders counts them in their order, empty ones too', async () => {
    tree.put('b/1.png', 'a/readme.txt', 'c/2.png');
    const { labels, source } = await resolved(tree.root, clothes, { labels: 'folders' });
    expect(labels).toEqual({ 'b/1.png': 1, 'c/2.png': 2 });
    expect(source.classes).toEqual(['a', 'b', 'c']);
    expect(imageFacts(source).labelsFrom).toBe('folder order');
  });

  it('as none gives none', async () => {
    tree.put('Coat/a.png', 'Bag/b.png');
    tree.write('labels.csv', 'Coat/a.png,4\n');
    const { source, warnings } = await resolved(tree.root, clothes, { labels: 'none' });
    expect(imageLine(source)).toMatch(/^2 images of .*, no labels, as was asked for$/);
    expect(warnings).toEqual([]);
  });
});

describe('a network that is trained from scratch', () => {
  it('has its classes in the order of folders', async () => {
    tree.put('b/1.png', 'a/2.png', '10/3.png', '9/4.png');
    const source = labelsFromScratch(await openImageFolder(tree.root), { count: 4 });
    expect(source.classes).toEqual(['10', '9', 'a', 'b']);
    expect(source.images.map(({ file, label }) => [file, label])).toEqual([
      ['10/3.png', 0],
      ['9/4.png', 1],
      ['a/2.png', 2],
      ['b/1.png', 3],
    ]);
    expect(imageLine(source)).toContain('in the order of their names');
  });

  it('has no class of a single folder', async () => {
    tree.put('images/1.png');
    const source = labelsFromScratch(await openImageFolder(tree.root), { count: 4 });
    expect(source.labelled).toBe(false);
    expect(imageLine(source)).toContain("no labels, as the single sub-folder 'images' is not taken for a class");
  });

  it('keeps the names that it was given, and refuses half of them', async () => {
    tree.put('cat/1.png', 'dog/2.png');
    const folder = await openImageFolder(tree.root);
    const labelsBy = (...names: string[]): (number | undefined)[] =>
      labelsFromScratch(folder, { count: 2, names: { ...names } }).images.map(({ label }) => label);
    expect(labelsBy('dog', 'cat')).toEqual([1, 0]);
    expect(labelsBy('feline', 'canine')).toEqual([0, 1]);
    expect(() => labelsBy('dog', 'bird')).toThrow(/1 are among the network’s names \('dog'\) and 'cat' not/);
    expect(() => labelsFromScratch(folder, { count: 1 })).toThrow(/has 2 classes \('cat', 'dog'\), and the network 1/);
  });
});
