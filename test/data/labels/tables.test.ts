/** Tables of labels: which file is one, what its columns are called, and what its texts mean. */
import * as fc from 'fast-check';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openImageFolder } from '../../../src/data/open-image-folder.ts';
import { imageFacts, imageLine } from '../../../src/data/labels/describe-labels.ts';
import { parseLabelTable } from '../../../src/data/labels/label-table.ts';
import { tidyPath } from '../../../src/data/labels/table-path.ts';
import type { NetworkClasses } from '../../../src/data/labels/network-classes.ts';
import { labelsFromScratch } from '../../../src/data/labels/resolve-labels.ts';
import { clothes, imageTree, refusal, resolved } from './image-tree.ts';
import type { ImageTree, Resolved } from './image-tree.ts';

let tree: ImageTree;
beforeEach(() => {
  tree = imageTree();
  tree.put('i0.png', 'i1.png', 'sub/i0.png', 'sub/i1.png');
});
afterEach(() => tree.remove());

const utf16 = (text: string, bigEndian = false): Uint8Array => {
  const bytes = Buffer.from(`\uFEFF${text}`, 'utf16le');
  return bigEndian ? bytes.swap16() : bytes;
};

describe('a table', () => {
  it.each<[what: string, file: string, content: string | Uint8Array]>([
    ['labels.csv', 'labels.csv', 'file,label\ni0.png,7\ni1.png,3\n'],
    ['Labels.CSV', 'Labels.CSV', 'file,label\r\ni0.png,7\r\ni1.png,3'],
    ['metadata.csv', 'metadata.csv', 'file_name,label\ni0.png,7\ni1.png,3\n'],
    ['metadata.jsonl', 'metadata.jsonl', '{"file_name":"i0.png","label":7}\n{"label":"Dress","file_name":"i1.png"}\n'],
    ['other columns', 'labels.csv', 'class,Split,File Name\n7,a,i0.png\n3,b,i1.png\n'],
    ['no names of columns', 'labels.csv', 'i0.png,7\ni1.png,3\n'],
    ['semicolons', 'labels.csv', 'file;label\n"i0.png";7\ni1.png;3\n'],
    ['semicolons and no names of columns', 'labels.csv', 'i0.png;7\ni1.png;3\n'],
    ['tabs', 'labels.csv', 'filename\ttarget\ni0.png\t7\ni1.png\t3\n'],
    [
      'sep= and comments',
      'labels.csv',
      'sep=;\r\n# exported, "by hand\r\nfile;label\r\ni0.png;7\r\n#x\r\ni1.png;3\r\n',
    ],
    ['a mark', 'labels.csv', '\uFEFFfile,label\ni0.png,7\ni1.png,3\n'],
    ['UTF-16, little end first', 'labels.csv', utf16('file,label\ni0.png,7\ni1.png,3\n')],
    ['UTF-16, big end first', 'labels.csv', utf16('file\tlabel\ni0.png\tSneaker\ni1.png\tDress\n', true)],
    ['UTF-16 without a mark', 'labels.csv', utf16('file,label\ni0.png,7\ni1.png,3\n').subarray(2)],
    ['class names', 'labels.csv', 'file,label\ni0.png,sneaker\ni1.png,Dress\n'],
    ['class names and no names of columns', 'labels.csv', 'i0.png,Sneaker\ni1.png,Dress\n'],
    ['numbers of a column with gaps', 'labels.csv', 'file,label\ni0.png,7.0\ni1.png,3.0\n'],
    ['identifiers', 'labels.csv', 'image_id,label\ni0.png,7\ni1.png,3\n'],
    ['lines twice', 'labels.csv', 'file,label\ni0.png,7\ni1.png,3\ni0.png,7\n'],
  ])('with %s is read', async (_, file, content) => {
    tree.write(file, content);
    const { source, labels } = await resolved(tree.root);
    expect(labels).toEqual({ 'i0.png': 7, 'i1.png': 3 });
    expect(imageFacts(source)).toMatchObject({ images: 2, labels: 2, labelsFrom: 'table' });
    expect(imageLine(source)).toContain(`from ${file}`);
  });

  it('has paths of Windows, and ones with dots', async () => {
    tree.write('labels.csv', 'file,label\n.\\sub\\i1.png,7\nsub/../i0.png,3\n');
    expect((await resolved(tree.root)).labels).toMatchObject({ 'sub/i1.png': 7, 'i0.png': 3 });
    expect(tidyPath('..\\a\\.\\b')).toBe('../a/b');
  });

  it('has names without endings, as identifiers are', async () => {
    tree.put('photo 1.jpeg');
    tree.write('labels.csv', 'image_id,label\nphoto 1,7\n');
    expect((await resolved(tree.root)).labels).toMatchObject({ 'photo 1.jpeg': 7 });
  });

  it('that lists some images leaves the others in, without labels', async () => {
    tree.write('labels.csv', 'file,label\nsub/i1.png,7\ni0.png,\n');
    const { labels, source, warnings } = await resolved(tree.root);
    expect(labels).toEqual({ 'sub/i1.png': 7, 'i0.png': undefined, 'i1.png': undefined, 'sub/i0.png': undefined });
    expect(source.images.map(({ file }) => file).slice(0, 2)).toEqual(['sub/i1.png', 'i0.png']);
    expect(source.labelled).toBe(true);
    expect(imageLine(source)).toMatch(/4 images of .*, 1 label, from labels\.csv; 3 have none$/);
    expect(warnings).toEqual([]);
  });

  it('lists what the network does not know: the first three and how many', async () => {
    tree.write('labels.csv', 'file,label\ni0.png,Dress\ni1.png,lorry\nsub/i0.png,cab\nsub/i1.png,van\n');
    tree.put('x/a.png', 'x/b.png');
    tree.write('x/labels.csv', 'a.png,lorry\nb.png,cab\n');
    const some = await resolved(tree.root);
    expect(some.labels).toMatchObject({ 'i0.png': 3, 'i1.png': undefined });
    expect(some.warnings[0]).toMatch(/labels\.csv line 3 .* 3 such in all \('lorry', 'cab', 'van'; /);
    const none = await resolved(join(tree.root, 'x'));
    expect(none.source.labelled).toBe(false);
    expect(imageLine(none.source)).toMatch(/no labels, as none of the texts of labels\.csv is a class/);
    expect(await refusal(resolved(tree.root, clothes, { strict: true }))).toMatch(/line 3/);
  });

  it('has bare names of images in a sub-folder, where these are of one image', async () => {
    tree.put('kaggle/images/a.png', 'kaggle/images/b.png', 'kaggle/more/b.png');
    tree.write('kaggle/labels.csv', 'image_id,label\na.png,7\n');
    expect((await resolved(join(tree.root, 'kaggle'))).labels).toMatchObject({ 'images/a.png': 7 });
    tree.write('kaggle/labels.csv', 'image_id,label\na,7\nb.png,3\n');
    expect(await refusal(resolved(join(tree.root, 'kaggle')))).toMatch(
      /line 3 names 'b\.png', which may be one of 2 images \('images\/b\.png', 'more\/b\.png'\): write its path\.$/,
    );
  });

  it('has composed names where the file system has decomposed ones, and the other way round', async () => {
    const [composed, decomposed] = ['\u00e9.png', 'u\u0308.png'];
    tree.put(`accents/${composed.normalize('NFD')}`, `accents/${decomposed.normalize('NFC')}`);
    tree.write('accents/labels.csv', `${composed},7\n${decomposed},3\n`);
    expect(Object.values((await resolved(join(tree.root, 'accents'))).labels)).toEqual([7, 3]);
  });

  it('has rows that begin with # where there is such an image, and comments else', async () => {
    tree.put('hash/#0.png', 'hash/1.png');
    tree.write('hash/labels.csv', '# by hand, "2026"\nfile,label\n#0.png,7\n1.png,3\n#1.png,5\n');
    const { labels, warnings } = await resolved(join(tree.root, 'hash'));
    expect(labels).toEqual({ '#0.png': 7, '1.png': 3 });
    expect(warnings).toEqual([
      expect.stringMatching(/begin with # and name no image .* line 5 \(1 in all\): they are taken for comments/),
    ]);
  });

  it('without names of columns may end its lines in separators', async () => {
    tree.write('labels.csv', 'i0.png,7,\ni1.png,3,,\n');
    expect((await resolved(tree.root)).labels).toEqual({ 'i0.png': 7, 'i1.png': 3 });
  });

  it('that is called otherwise is named, or given', async () => {
    tree.write('labels.txt', 'i0.png,7\ni1.png,3\n');
    expect((await resolved(tree.root)).warnings[0]).toMatch(/not read \('labels\.txt'\)/);
    const { labels } = await resolved(tree.root, clothes, { labels: join(tree.root, 'labels.txt') });
    expect(labels).toEqual({ 'i0.png': 7, 'i1.png': 3 });
    expect(await refusal(openImageFolder(tree.root, { labels: 'nowhere.csv' }))).toMatch(/no table 'nowhere\.csv'/);
  });

  it('is one of several', async () => {
    tree.write('labels.csv', 'i0.png,7\ni1.png,3\n');
    tree.write('metadata.csv', 'file_name,label\ni0.png,1\n');
    const { labels, warnings } = await resolved(tree.root);
    expect(labels).toMatchObject({ 'i0.png': 7 });
    expect(warnings.some((warning) => /labels\.csv is read, and metadata\.csv not/.test(warning))).toBe(true);
  });

  it('of other things than labels is told of, and folders are asked', async () => {
    tree.write('data/metadata.csv', 'file_name,text\nBag/a.png,a bag\n');
    tree.put('data/Bag/a.png', 'data/Coat/b.png');
    const { labels, warnings } = await resolved(join(tree.root, 'data'));
    expect(labels).toEqual({ 'Bag/a.png': 8, 'Coat/b.png': 4 });
    expect(warnings).toEqual([
      expect.stringMatching(/metadata\.csv has the columns file_name, text, .*it is not read\.$/),
    ]);
  });
});

it.each([
  [
    'file,label\ni0.png,1\nnowhere.jpg,2\n',
    /labels\.csv line 3 names 'nowhere\.jpg', which is not there: add the file/,
  ],
  ['file,label\na,1\nb,2\n', /line 2 names 'a', which is not there, and 1 more/],
  ['file,label\ni0.png,-1\n', /line 2 .*the label '-1'/],
  ['file,label\ni0.png,1.5\n', /the label '1\.5'/],
  ['file,label\ni0.png\n', /the label ''/],
  ['file,label\n,1\n', /line 2 names no file/],
  [
    'file,species\ni0.png,1\n',
    /has the columns file, species, and none of them is known to be its label \(label, class/,
  ],
  ['name,label\ni0.png,1\n', /has the columns name, label, and none of them is known to be the image’s file/],
  [
    'i0.png,7\ni1.png,0,7\n',
    /labels\.csv line 2 has 3 columns, and no first line says which .*: begin the table with one such as 'file,label'/,
  ],
  ['file,label\n', /lists no images/],
  ['', /lists no images/],
  ['file,label\n"i0.png,1\n', /line 2 has a quote that is not closed/],
  ['file,label\r\n\r\n# a comment\r\ni0.png,-2\r\n', /line 4 gives 'i0\.png' the label '-2'/],
  ['file,label,note\ni0.png,1,"two\nlines"\ni1.png,-3,\n', /line 4 gives 'i1\.png' the label '-3'/],
  ['file,label\ni0.png,1\ni0.png,2\n', /gives 'i0\.png' the label '1' in line 2 and '2' in line 3/],
])('labels.csv %j is refused in one sentence', async (text, expected) => {
  tree.write('labels.csv', text);
  expect(await refusal(resolved(tree.root))).toMatch(expected);
});

it('metadata.jsonl is refused where a line is none of JSON', async () => {
  tree.write('metadata.jsonl', '{"file_name":"i0.png","label":1}\n{oops\n');
  expect(await refusal(openImageFolder(tree.root))).toMatch(/metadata\.jsonl line 2 is no JSON object/);
});

describe('numbers of a table', () => {
  const count = 10;
  const namesOf = (...names: string[]): { count: number; names: Record<number, string> } => ({
    count,
    names: { ...names },
  });
  const from1 = Array.from({ length: count }, (_, index) => String(index + 1));
  const labelsOf = async (classes: NetworkClasses, ...texts: string[]): Promise<Resolved> => {
    const lines = texts.map((text, index) => `${index}.png,${text}\n`);
    tree.put(...texts.map((_, index) => `numbers/${index}.png`));
    tree.write('numbers/labels.csv', lines.join(''));
    return resolved(join(tree.root, 'numbers'), classes);
  };

  it('are names where the network’s classes are called so, which is said where they may be numbers', async () => {
    const { labels, warnings, source } = await labelsOf(namesOf(...from1), '1', '9', '2.0');
    expect(Object.values(labels)).toEqual([0, 8, 1]);
    expect(warnings).toEqual([
      expect.stringMatching(/'1' is the name of class 0, and the number of another .* for names: write LABEL_1 /),
    ]);
    expect(imageLine(source)).toContain('by the names of the network’s classes');
    const sorted = await labelsOf(namesOf(...from1.toSorted()), '2', '10', '01');
    expect(Object.values(sorted.labels)).toEqual([2, 1, 0]);
    expect(sorted.warnings).toEqual([]);
    expect(Object.values((await labelsOf(namesOf(...from1), 'LABEL_1', '10', '3')).labels)).toEqual([1, 9, 2]);
  });

  it('are all numbers where some are no names', async () => {
    const { labels, warnings } = await labelsOf(namesOf(...from1), '0', '1', '9');
    expect(Object.values(labels)).toEqual([0, 1, 9]);
    expect(warnings).toEqual([expect.stringMatching(/taken for numbers, as '0' is no name/)]);
  });

  it('are numbers where names say the same or are words', async () => {
    const digits = Array.from({ length: count }, (_, index) => String(index));
    for (const classes of [clothes, namesOf(...digits), { count }]) {
      const { labels, warnings, source } = await labelsOf(classes, '0', '7', '9');
      expect(Object.values(labels)).toEqual([0, 7, 9]);
      expect(warnings).toEqual([]);
      expect(imageLine(source)).toMatch(/3 labels, from labels\.csv$/);
    }
  });

  it('are left unread by a network without classes, whatever they are', async () => {
    const { source, warnings } = await labelsOf({ count: 0 }, '0.37', '-1', '2');
    expect(imageLine(source)).toMatch(/no labels, which a network without classes does not need$/);
    expect(warnings).toEqual([]);
    const many = await labelsOf({ count: 0, manyLabels: true }, '"0,2"', '1');
    expect(imageLine(many.source)).toMatch(/no labels, as labels of a network of many labels .* are not read$/);
  });

  it('are those of a network that is trained from scratch', async () => {
    await labelsOf(clothes, '3', '1');
    const opened = await openImageFolder(join(tree.root, 'numbers'));
    expect(labelsFromScratch(opened, { count: 4 }).images.map(({ label }) => label)).toEqual([3, 1]);
    await labelsOf({ count: 0 }, '3', '-1');
    const wrong = await openImageFolder(join(tree.root, 'numbers'));
    expect(() => labelsFromScratch(wrong, { count: 4 })).toThrow(/line 2 gives '1\.png' the label '-1'/);
  });
});

describe('any table that is written by the rules', () => {
  const word = fc.stringMatching(/^[a-z0-9 ,;'"\t-]{1,12}$/).map((text) => `x${text.trim()}`);
  const lines = fc.uniqueArray(fc.record({ file: word, label: word }), { minLength: 1, selector: ({ file }) => file });
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;

  it('gives back what was written', () => {
    fc.assert(
      fc.property(
        lines,
        fc.constantFrom(',', ';', '\t'),
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        fc.boolean(),
        (rows, separator, end, swapped, said) => {
          const line = (file: string, label: string): string =>
            (swapped ? [label, file] : [file, label]).join(separator);
          const text = [
            ...(said ? [`sep=${separator}`] : []),
            line('filename', 'class'),
            ...rows.map(({ file, label }) => line(quoted(`${file}.png`), quoted(label))),
          ].join(end);
          const table = parseLabelTable(text, 'labels.csv');
          expect('rows' in table && table.rows.map(({ file, text }) => [file, text])).toEqual(
            rows.map(({ file, label }) => [`${file}.png`, label]),
          );
          const first = said ? 3 : 2;
          expect('rows' in table && table.rows.map((row) => row.line)).toEqual(rows.map((_, index) => index + first));
        },
      ),
    );
  });

  it('ends in rows, columns or one sentence, whatever the text is', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '1', ',', ';', '"', '\n', '\r', '#', '.png', '\t', '=') }),
        (text) => {
          try {
            const table = parseLabelTable(text, 'labels.csv');
            expect('rows' in table || table.columns.length > 0).toBe(true);
          } catch (error) {
            expect((error as Error).message).toMatch(/^labels\.csv .*\.$/s);
          }
        },
      ),
    );
  });
});
