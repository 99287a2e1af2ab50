/**
 * Lists a folder of images on disk, and finds what says their classes: a table of labels, or names
 * of sub-folders. What that means to a network is settled when there is one (`data/labels`). A
 * single IDX file (MNIST's format) may stand in for a folder.
 */

import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DiffrateError, printable, UsageError } from '../errors.ts';
import { contentOf, readFolderTable, readNamedTable } from './folder-table.ts';
import type { FolderTable } from './folder-table.ts';
import { openIdxImages } from './idx-images.ts';
import { checkDecoding } from './decoding/decoding-options.ts';
import type { DecodingOptions } from './decoding/decoding-options.ts';
import { imageFiles } from './image-files.ts';
import { spreadSample } from './image-sample.ts';
import type { ImageSource, SourceImage } from './image-source.ts';
import { requireKnownOptions } from '../options/known-options.ts';
import type { OptionNames } from '../options/known-options.ts';
import { wholeNumber } from './labels/label-table.ts';
import { basename } from './labels/table-path.ts';
import { FolderLister, imageExtensions, within } from './list-folder.ts';
import type { FolderEntries } from './list-folder.ts';

/** How to read a folder. */
export interface OpenImageFolderOptions extends DecodingOptions {
  /** Fail where otherwise a warning is given. */
  readonly strict?: boolean | undefined;
  /** Take this many images only: random ones, spread over the classes; always the same. */
  readonly limit?: number | undefined;
  /**
   * Where labels come from. `auto` (default): a table in the folder (labels.csv, metadata.csv,
   * metadata.jsonl), or sub-folders that bear names or numbers of the network's classes.
   * `folders`: sub-folders, counted from 0 in the order of their names, as torchvision does.
   * `none`: there are none. Anything else is the path of a table.
   */
  readonly labels?: 'auto' | 'folders' | 'none' | (string & {}) | undefined;
  /** Called with one sentence for each thing that is odd but not fatal. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Names of these options. */
export const imageOptionNames: OptionNames<OpenImageFolderOptions> = {
  strict: true,
  limit: true,
  labels: true,
  onWarning: true,
  decoder: true,
  ignoreOrientation: true,
};

/** Parts of a data set, which are no classes. */
const splits = /^(train|training|val|valid|validation|test|testing|dev|eval)$/i;

/**
 * Lists a folder's images; none is opened.
 * Where `directory` is the path of a file, that is read as an IDX file of images.
 * @throws DiffrateError if the folder is missing, holds no images or parts of a data set instead of
 *   classes, a table is wrong or names a missing file, or a file is no sound IDX file with as many
 *   labels, and UsageError where an option is unknown or of no use.
 */
export async function openImageFolder(directory: string, options: OpenImageFolderOptions = {}): Promise<ImageSource> {
  requireKnownOptions(options, imageOptionNames, 'opening of images');
  checkDecoding(options);
  const { limit, labels = 'auto' } = options;
  checkLimit(limit);
  const found = await stat(directory).catch(() => undefined);
  if (!found) {
    throw new DiffrateError(
      `The image folder '${directory}' does not exist: give the path of a folder of images, or of an IDX file.`,
    );
  }
  const warn = (message: string): void => {
    if (options.strict) throw new DiffrateError(message);
    options.onWarning?.(printable(message));
  };
  const folder = found.isDirectory()
    ? await openDirectory(directory, labels, warn, options)
    : await openIdxImages(directory, warn, labels);
  return limit === undefined ? folder : { ...folder, images: spreadSample(folder, limit) };
}

/**
 * Checks how many images are taken at most.
 * @throws {UsageError} where it is no whole number from 1
 */
export function checkLimit(limit: number | undefined): void {
  if (limit === undefined || (Number.isInteger(limit) && limit >= 1)) return;
  throw new UsageError(`The limit of images must be an integer from 1, not ${limit}.`);
}

async function openDirectory(
  directory: string,
  labels: string,
  warn: (message: string) => void,
  decoding: DecodingOptions,
): Promise<ImageSource> {
  const absolute = resolve(directory);
  const lister = await FolderLister.of(absolute);
  const top = await lister.entries();
  const table =
    labels === 'none' || labels === 'folders'
      ? undefined
      : await (labels === 'auto' ? readFolderTable(directory, top.others, warn) : readNamedTable(labels));
  const found = { directory, absolute, lister, top, warn, decoding };
  const inside = table === undefined && labels === 'auto' ? await onlyFolder(found) : undefined;
  if (inside !== undefined) {
    for (const remark of lister.remarks(directory)) warn(remark);
    warn(`'${directory}' has the single sub-folder '${basename(inside)}': it is taken in its place.`);
    return openDirectory(inside, labels, warn, decoding);
  }
  const source = table === undefined ? await listFolder(found, labels) : await listWithTable(found, table);
  if (source.images.length === 0) throw noImages(found);
  for (const remark of lister.remarks(directory)) warn(remark);
  return source;
}

/** A folder on disk that is being listed. */
interface Listing {
  /** As it was given, for sentences. */
  readonly directory: string;
  readonly absolute: string;
  readonly lister: FolderLister;
  readonly top: FolderEntries;
  readonly warn: (message: string) => void;
  readonly decoding: DecodingOptions;
}

function noImages({ directory, lister, top }: Listing): DiffrateError {
  const [remark] = lister.remarks(directory);
  const instead = top.others.some((name) => /\.(zip|tar|t?gz|7z|rar|parquet|tfrecord)$/i.test(name))
    ? '; unpack the archive that lies in it'
    : '';
  return new DiffrateError(
    `The image folder '${directory}' holds no images: put some in (${imageExtensions.join(' ')})` +
      `${remark === undefined ? '' : `; ${remark.replace(/\.$/, '')}`}${instead}.`,
  );
}

/** Images that a table lists, in its order, and after them those that it does not. */
async function listWithTable(listing: Listing, table: FolderTable): Promise<ImageSource> {
  const { absolute, lister, top, decoding, warn } = listing;
  // Where the table speaks of the folder alone, sub-folders are something else.
  const isFlat = top.images.length > 0 && !table.rows.some(({ file }) => /[/\\]/.test(file));
  if (isFlat) warnOfFolders(listing);
  const listed = isFlat ? [...top.images] : await lister.tree('');
  const { files, texts } = await contentOf(table, absolute, listed, warn);
  const inTable = new Set(files);
  const all = [...files, ...listed.filter((file) => !inTable.has(file))];
  const evidence = { kind: 'table', table: table.path, texts } as const;
  // Where all are numbers, these are the labels of whoever asks no network.
  const areNumbers = [...texts.values()].every(({ text }) => wholeNumber(text) !== undefined);
  const images = all.map((file): SourceImage => {
    const label = areNumbers ? wholeNumber(texts.get(file)?.text ?? '') : undefined;
    return label === undefined ? { file } : { file, label };
  });
  const labelling = { origin: 'table', how: `from ${basename(table.path)}` } as const;
  return { ...imageFiles(absolute, images, decoding), evidence, ...(areNumbers && { labelling }) };
}

function warnOfFolders({ directory, top, warn }: Listing): void {
  if (top.folders.length === 0) return;
  warn(`'${directory}' holds images and sub-folders: its ${top.folders.length} sub-folders are left out.`);
}

/** Images without a table. */
async function listFolder(listing: Listing, labels: string): Promise<ImageSource> {
  const { directory, absolute, lister, top, warn, decoding } = listing;
  const none = {
    origin: 'none',
    how: labels === 'none' ? 'as was asked for' : 'as nothing beside the images says any',
  } as const;
  const unlabelled = (files: readonly string[]): ImageSource => ({
    ...imageFiles(
      absolute,
      files.map((file) => ({ file })),
      decoding,
    ),
    labelling: none,
  });
  if (top.images.length > 0) {
    warnOfFolders(listing);
    return unlabelled(top.images.map((file) => within(top.path, file)));
  }
  if (labels === 'none') return unlabelled(await lister.tree(top.path));
  const trees: { readonly name: string; readonly files: readonly string[] }[] = [];
  for (const name of top.folders) trees.push({ name, files: await lister.tree(within(top.path, name)) });
  const filled = trees.filter(({ files }) => files.length > 0).map(({ name }) => name);
  if (labels === 'auto' && filled.length > 1 && filled.every((name) => splits.test(name))) {
    const choices = filled.map((name) => join(directory, name)).join(', ');
    throw new DiffrateError(
      `'${directory}' has the sub-folders ${filled.join(', ')}, which are parts of a data set and no classes: ` +
        `give one of them (${choices}), or set \`labels\` to none to take all of their images.`,
    );
  }
  const empty = trees.filter(({ files }) => files.length === 0).map(({ name }) => name);
  if (empty.length > 0 && filled.length > 0) {
    warn(`'${directory}' has class sub-folders without images: ${empty.join(', ')}.`);
  }
  const files = trees.flatMap((tree) => tree.files);
  if (labels === 'folders') {
    const images = trees.flatMap((tree, label) => tree.files.map((file) => ({ file, label })));
    const how = 'from sub-folders, counted from 0 in the order of their names, as was asked for';
    return {
      ...imageFiles(absolute, images, { ...decoding, classes: top.folders }),
      labelling: { origin: 'folder order', how },
    };
  }
  const folderOf = new Map(trees.flatMap(({ name, files }) => files.map((file) => [file, name] as const)));
  return {
    ...imageFiles(
      absolute,
      files.map((file) => ({ file })),
      decoding,
    ),
    ...(files.length > 0 && {
      evidence: { kind: 'folders', folder: directory, names: top.folders, folderOf } as const,
    }),
  };
}

/** The path of a single sub-folder that is a part of a data set, or holds folders and no images. */
async function onlyFolder({ directory, absolute, top }: Listing): Promise<string | undefined> {
  const [only] = top.folders;
  if (only === undefined || top.folders.length > 1 || top.images.length > 0) return undefined;
  const inside = join(directory, only);
  if (splits.test(only)) return inside;
  const { images, folders } = await (await FolderLister.of(join(absolute, only))).entries();
  return images.length === 0 && folders.length > 1 ? inside : undefined;
}
