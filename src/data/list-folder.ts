/**
 * What lies in a folder of images on disk, read level by level: image files, sub-folders, and what
 * is left out and why. Each real folder is read once, so links cannot lead in circles.
 */
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { DiffrateError, messageOf } from '../errors.ts';

const readable = '.jpg .jpeg .jpe .jfif .jif .png .webp .gif .avif .tif .tiff .bmp';
const unreadable =
  '.heic .heif .hif .ppm .pgm .pbm .pnm .tga .svg .jxl .jp2 .j2k .jpx .psd .ico .pcx .exr .hdr .dds .qoi .eps ' +
  '.raw .dng .cr2 .cr3 .nef .arw .orf .rw2 .dcm .npy .mp4 .mov .avi .mkv .webm';

/** How files of images end that are read, in lower case. */
export const imageExtensions: readonly string[] = readable.split(' ');
const read = new Set(imageExtensions);
/** How files end that hold images, too, and are not read. */
const others = new Set(unreadable.split(' '));

/** What systems and programs leave beside images. */
const strayFolders =
  /^(\..*|__macosx|@eadir|#recycle|\$recycle\.bin|recycler|system volume information|thumbs|thumbnails|lost\+found|__pycache__|node_modules)$/i;

/** What folders hold that this program wrote, or models do. */
const modelFiles =
  /^(config\.json|onnx|report\.html|schedule\.json|front\.json|comparison\.json|model\.safetensors|.*\.checkpoint)$/i;

/** A folder, one level of it. */
export interface FolderEntries {
  /** Path relative to the folder that is listed, with `/`; empty for that itself. */
  readonly path: string;
  /** Names of its image files, sorted by code unit. */
  readonly images: readonly string[];
  /** Names of its sub-folders, likewise, without those that are left out. */
  readonly folders: readonly string[];
  /** Names of its other files. */
  readonly others: readonly string[];
}

/** Reads the folders of one folder, and remembers what it left out. */
export class FolderLister {
  readonly #root: string;
  readonly #real: string;
  /** Real paths outside of the root that a link has led to. */
  readonly #linked = new Set<string>();
  readonly #extensions = new Map<string, number>();
  readonly #strays = new Set<string>();
  readonly #links = new Set<string>();

  /** Entries of folders that were looked into, until they are listed. */
  readonly #ahead = new Map<string, readonly Dirent[]>();
  /** What is listed twice is counted once. */
  readonly #listed = new Map<string, FolderEntries>();

  private constructor(root: string, real: string) {
    this.#root = root;
    this.#real = real;
  }

  /** @param root absolute path of a folder. */
  static async of(root: string): Promise<FolderLister> {
    return new FolderLister(root, await realpath(root));
  }

  /**
   * Reads one folder.
   * @param path relative to the root, with `/`.
   * @throws {DiffrateError} where it cannot be read.
   */
  async entries(path = ''): Promise<FolderEntries> {
    const before = this.#listed.get(path);
    if (before !== undefined) return before;
    const directory = join(this.#root, path);
    const images: string[] = [];
    const folders: string[] = [];
    const rest: string[] = [];
    const found = await this.#read(directory);
    this.#ahead.delete(directory);
    for (const entry of found) {
      const { name } = entry;
      const below = path === '' ? name : `${path}/${name}`;
      const kind = entry.isSymbolicLink() ? await stat(join(directory, name)).catch(() => entry) : entry;
      if (kind.isDirectory()) {
        if (await this.#isStray(below, name)) continue;
        if (entry.isSymbolicLink() && !(await this.#follows(below))) continue;
        folders.push(name);
      } else if (kind.isFile() && !name.startsWith('.')) {
        const extension = extname(name).toLowerCase();
        if (read.has(extension)) images.push(name);
        else rest.push(name);
        if (others.has(extension)) this.#extensions.set(extension, (this.#extensions.get(extension) ?? 0) + 1);
      }
    }
    const entries = { path, images: images.sort(), folders: folders.sort(), others: rest.sort() };
    this.#listed.set(path, entries);
    return entries;
  }

  /** All image files in a folder and below, as paths relative to the root. */
  async tree(path: string): Promise<string[]> {
    const { images, folders } = await this.entries(path);
    const found = images.map((file) => within(path, file));
    for (const folder of folders) found.push(...(await this.tree(within(path, folder))));
    return found;
  }

  /** One sentence for each kind of thing that was left out. */
  remarks(name: string): string[] {
    const found = [...this.#extensions].sort(([a], [b]) => (a < b ? -1 : 1));
    const files = found.reduce((sum, [, count]) => sum + count, 0);
    return [
      ...(files === 0
        ? []
        : [
            `'${name}' holds ${files} ${files === 1 ? 'file' : 'files'} of kinds that are not read, and left out: ` +
              `${found.map(([extension, count]) => `${count} ${extension}`).join(', ')}; convert them to JPEG or PNG.`,
          ]),
      ...(this.#strays.size === 0
        ? []
        : [
            `'${name}' has folders that are no classes and are left out, with images in them: ${listed(this.#strays)}.`,
          ]),
      ...(this.#links.size === 0
        ? []
        : [
            `'${name}' has links that lead to a folder which is read anyway or lies above, and are not followed: ${listed(this.#links)}.`,
          ]),
    ];
  }

  /** @throws {DiffrateError} where the folder cannot be read. */
  async #read(directory: string): Promise<readonly Dirent[]> {
    const ahead = this.#ahead.get(directory);
    if (ahead !== undefined) return ahead;
    try {
      const entries = await sortedEntries(directory);
      this.#ahead.set(directory, entries);
      return entries;
    } catch (error) {
      throw new DiffrateError(
        `Cannot read the folder ${directory} (${messageOf(error)}): make it readable or remove it.`,
      );
    }
  }

  /** Whether a sub-folder is none of images; those that hold some are remembered. */
  async #isStray(path: string, name: string): Promise<boolean> {
    const directory = join(this.#root, path);
    const stray = strayFolders.test(name) || (await this.#read(directory)).some((entry) => modelFiles.test(entry.name));
    if (stray && (await holdsImages(directory))) this.#strays.add(path);
    return stray;
  }

  /** Whether a link leads to a folder that is not read otherwise. */
  async #follows(path: string): Promise<boolean> {
    const target = await realpath(join(this.#root, path));
    const fromRoot = relative(this.#real, target);
    const inside = fromRoot !== '..' && !fromRoot.startsWith(`..${sep}`);
    // What lies in a hidden place is reached by links alone.
    const hidden = inside && fromRoot.split(sep).some((part) => strayFolders.test(part));
    const isAbove = (upper: string, lower: string): boolean => {
      const prefix = upper.endsWith(sep) ? upper : `${upper}${sep}`;
      return `${lower}${sep}`.startsWith(prefix);
    };
    const above = isAbove(target, this.#real);
    const known = [...this.#linked].some((other) => isAbove(other, target) || isAbove(target, other));
    if (above || (inside && !hidden) || known) {
      this.#links.add(path);
      return false;
    }
    this.#linked.add(target);
    return true;
  }
}

/** A path below another. */
export const within = (path: string, name: string): string => (path === '' ? name : `${path}/${name}`);

async function sortedEntries(directory: string): Promise<Dirent[]> {
  return (await readdir(directory, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether a folder, or one in it, holds image files. */
async function holdsImages(directory: string, depth = 2): Promise<boolean> {
  const entries = await sortedEntries(directory).catch(() => []);
  const isImage = (name: string): boolean => !name.startsWith('.') && read.has(extname(name).toLowerCase());
  if (entries.some((entry) => entry.isFile() && isImage(entry.name))) return true;
  if (depth === 0) return false;
  for (const entry of entries)
    if (entry.isDirectory() && (await holdsImages(join(directory, entry.name), depth - 1))) return true;
  return false;
}

/** A few names. */
function listed(names: ReadonlySet<string>): string {
  const [...all] = names;
  const shown = all.slice(0, 5).join(', ');
  return all.length > 5 ? `${shown} and ${all.length - 5} more` : shown;
}
