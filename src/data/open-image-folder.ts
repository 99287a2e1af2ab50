/**
 * Lists a folder of images on disk. Labels come from `labels.csv`, or from class sub-folders as in
 * torchvision's `ImageFolder` (names in order, from 0), or there are none. A single IDX file
 * (MNIST's format) may stand in for a folder.
 */

import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { DiffrateError, messageOf, UsageError } from '../errors.ts';
import { openIdxImages } from './idx-images.ts';
import { imageFiles } from './image-files.ts';
import type { ImageSource, SourceImage } from './image-source.ts';
import { parseLabels } from './labels-csv.ts';

/** How to read a folder. */
export interface OpenImageFolderOptions {
  /** Fail where otherwise a warning is given. */
  readonly strict?: boolean | undefined;
  /**
   * Take this many images only: the first ones, or class by class in turn where there are class
   * sub-folders.
   */
  readonly limit?: number | undefined;
  /** Called with one sentence for each thing that is odd but not fatal. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

const IMAGE_EXTENSIONS = new Set('.jpg .jpeg .png .webp .gif .avif .tif .tiff .bmp'.split(' '));
/** What ImageNet's class folders are called. */
const WORDNET_ID = /^n\d{8}$/;
const IMAGENET_CLASSES = 1000;

/**
 * Lists a folder's images; none is opened.
 * Where `directory` is the path of a file, that is read as an IDX file of images.
 * @throws DiffrateError if the folder is missing or holds no images, `labels.csv` is wrong or names
 *   a missing file, or a file is no sound IDX file with as many labels.
 */
export async function openImageFolder(directory: string, options: OpenImageFolderOptions = {}): Promise<ImageSource> {
  const { limit } = options;
  checkLimit(limit);
  const found = await stat(directory).catch(() => undefined);
  if (!found) {
    throw new DiffrateError(
      `The image folder '${directory}' does not exist: give the path of a folder of images, or of an IDX file.`,
    );
  }
  const warn = (message: string): void => {
    if (options.strict) throw new DiffrateError(message);
    options.onWarning?.(message);
  };
  const folder = found.isDirectory()
    ? await openDirectory(directory, warn, limit)
    : await openIdxImages(directory, warn);
  if (folder.images.length === 0) {
    const extensions = [...IMAGE_EXTENSIONS].join(' ');
    throw new DiffrateError(`The image folder '${directory}' holds no images: put some in (${extensions}).`);
  }
  return limit === undefined ? folder : { ...folder, images: takeInTurn(folder, limit) };
}

/**
 * Checks how many images are taken at most.
 * @throws {UsageError} where it is no whole number from 1
 */
export function checkLimit(limit: number | undefined): void {
  if (limit === undefined || (Number.isInteger(limit) && limit >= 1)) return;
  throw new UsageError(`The limit of images must be an integer from 1, not ${limit}.`);
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new DiffrateError(`Cannot read ${file} (${messageOf(error)}): make it a readable file or remove it.`);
  }
}

async function openDirectory(directory: string, warn: (message: string) => void, limit?: number): Promise<ImageSource> {
  const csv = await readIfThere(join(directory, 'labels.csv'));
  return csv === undefined ? listFolder(directory, warn) : listCsv(directory, csv, limit);
}

async function listCsv(directory: string, csv: string, limit = Infinity): Promise<ImageSource> {
  const source = join(directory, 'labels.csv');
  const lines = parseLabels(csv, source).slice(0, limit);
  const missing = await Promise.all(
    lines.map(({ file }) =>
      stat(resolve(directory, file)).then(
        (found) => !found.isFile(),
        () => true,
      ),
    ),
  );
  const wrong = lines[missing.indexOf(true)];
  if (wrong) {
    throw new DiffrateError(
      `${source} line ${wrong.line} names '${wrong.file}', which is not there: add the file or delete the line.`,
    );
  }
  const images = lines.map(({ file, label }) => ({ file: file.replaceAll('\\', '/'), label }));
  return imageFiles(resolve(directory), images);
}

async function listFolder(directory: string, warn: (message: string) => void): Promise<ImageSource> {
  const absolute = resolve(directory);
  const { files, folders } = await listDirectory(absolute);
  if (files.length > 0 || folders.length === 0) {
    if (folders.length > 0) {
      warn(`'${directory}' holds images and sub-folders: its ${folders.length} sub-folders are left out.`);
    }
    return imageFiles(
      absolute,
      files.map((file) => ({ file })),
    );
  }
  const inFolder = await Promise.all(folders.map((name) => listTree(absolute, name)));
  const [only] = folders;
  if (only !== undefined && folders.length === 1) {
    warn(`'${directory}' has the single sub-folder '${only}', which is not taken for a class: there are no labels.`);
    return imageFiles(
      absolute,
      (inFolder[0] ?? []).map((file) => ({ file })),
    );
  }
  const empty = folders.filter((_, index) => inFolder[index]?.length === 0);
  if (empty.length > 0 && empty.length < folders.length) {
    warn(`'${directory}' has class sub-folders without images: ${empty.join(', ')}.`);
  }
  if (folders.every((name) => WORDNET_ID.test(name)) && folders.length !== IMAGENET_CLASSES) {
    warn(
      `'${directory}' has ${folders.length} of ImageNet's ${IMAGENET_CLASSES} class folders: labels count these folders ` +
        `from 0 and are not ImageNet's class numbers; write a labels.csv with those.`,
    );
  }
  const images = inFolder.flatMap((names, label) => names.map((file) => ({ file, label })));
  return imageFiles(absolute, images, folders);
}

/**
 * Image files and sub-folders of one directory, sorted by code unit; links are followed, dot files
 * left out.
 */
async function listDirectory(directory: string): Promise<{ files: string[]; folders: string[] }> {
  const entries = await readdir(directory, { withFileTypes: true });
  const files: string[] = [];
  const folders: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const kind = entry.isSymbolicLink() ? await stat(join(directory, entry.name)).catch(() => entry) : entry;
    if (kind.isDirectory()) folders.push(entry.name);
    else if (kind.isFile() && IMAGE_EXTENSIONS.has(extname(entry.name).toLowerCase())) files.push(entry.name);
  }
  return { files: files.sort(), folders: folders.sort() };
}

/** All image files below `root/name`, as paths relative to `root`. */
async function listTree(root: string, name: string): Promise<string[]> {
  const { files, folders } = await listDirectory(join(root, name));
  const below = await Promise.all(folders.map((folder) => listTree(root, `${name}/${folder}`)));
  return [...files.map((file) => `${name}/${file}`), ...below.flat()];
}

/**
 * The first image of each class, the second of each, … until there are `limit`, in the folder's
 * order.
 */
function takeInTurn(folder: ImageSource, limit: number): SourceImage[] {
  if (folder.classes === undefined) return folder.images.slice(0, limit);
  const seen = new Map<number, number>();
  const ranked = folder.images.map((image, index) => {
    const rank = seen.get(image.label ?? 0) ?? 0;
    seen.set(image.label ?? 0, rank + 1);
    return { image, rank, index };
  });
  ranked.sort((a, b) => a.rank - b.rank || a.index - b.index);
  const taken = ranked.slice(0, limit).sort((a, b) => a.index - b.index);
  return taken.map(({ image }) => image);
}
