/**
 * The Hugging Face cache on disk, shared with Python (huggingface_hub, "Understand caching"):
 * `models--ORG--NAME/{refs/REVISION, snapshots/COMMIT/FILE, blobs/ETAG, .no_exist/COMMIT/FILE}`;
 * snapshots link to blobs. Where it lies and what a model's folder is called, `@huggingface/hub`
 * says.
 *
 * Its `downloadFileToCacheDir` (2.17.5) does not serve: it announces downloads on standard output,
 * where results are printed; it compares no lengths, so that a response which the server ends early
 * is stored as whole; and all processes write one unfinished file, which stays behind after a
 * failure. `snapshotDownload` besides fetches all files of a repository, weights of every format
 * included, and `scanCachedRepo` refuses caches without `refs`. None of them notes or reads which
 * files are known to be absent.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, readFile, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import { getRepoFolderName } from '@huggingface/hub';

/** One model's part of the cache. */
export class CachedModel {
  readonly #folder: string;

  /** @param id `ORG/NAME`, already checked to be one */
  constructor(cacheFolder: string, id: string) {
    this.#folder = join(cacheFolder, getRepoFolderName({ type: 'model', name: id }));
  }

  /** Folder of a commit's files; it need not exist. */
  snapshot(commit: string): string {
    return join(this.#folder, 'snapshots', commit);
  }

  /**
   * Commits that `revision` may stand for, the likeliest first: itself if it is a commit, the one
   * that the cache noted for it, and for `main` all others, newest first (some tools keep no
   * notes).
   */
  async commits(revision: string): Promise<string[]> {
    if (isCommit(revision)) return [revision];
    const noted = await readFile(join(this.#folder, 'refs', revision), 'utf8').catch(() => undefined);
    if (noted !== undefined) return isCommit(noted.trim()) ? [noted.trim()] : [];
    if (revision !== 'main') return [];
    const names = await readdir(join(this.#folder, 'snapshots')).catch(() => []);
    const dated = await Promise.all(
      names.map(async (name) => ({
        name,
        time: (await stat(this.snapshot(name)).catch(() => undefined))?.mtimeMs ?? 0,
      })),
    );
    return dated.sort((a, b) => b.time - a.time).map(({ name }) => name);
  }

  /** Path of a cached file of a commit; `undefined` where it is not cached. */
  async find(commit: string, file: string): Promise<string | undefined> {
    const path = join(this.snapshot(commit), file);
    const information = await stat(path).catch(() => undefined);
    return information?.isFile() ? path : undefined;
  }

  /** Whether the cache knows that the commit has no such file. */
  async isKnownAbsent(commit: string, file: string): Promise<boolean> {
    return (await stat(join(this.#folder, '.no_exist', commit, file)).catch(() => undefined)) !== undefined;
  }

  /** Notes that the commit has no such file. */
  async noteAbsent(commit: string, file: string): Promise<void> {
    const path = join(this.#folder, '.no_exist', commit, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, '');
  }

  /** Notes which commit a branch or tag stood for. */
  async noteRevision(revision: string, commit: string): Promise<void> {
    if (isCommit(revision)) return;
    const path = join(this.#folder, 'refs', revision);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, commit);
  }

  /**
   * Stores a file of a commit from a stream; it appears in the snapshot only when whole, and
   * nothing is left otherwise. Several may store the same file at once.
   * @param etag the hub's name for the content, which names the blob; of large files it is their
   *   SHA-256, with which the content is compared.
   * @param size expected bytes; a stream of another length is an error
   */
  async store(commit: string, file: string, etag: string, size: number, content: ReadableStream): Promise<void> {
    const name = etag.replaceAll(/[^\w-]/g, '');
    const blob = join(this.#folder, 'blobs', name);
    const link = join(this.snapshot(commit), file);
    // Processes of several containers may have one number and one cache.
    const unfinished = `${blob}.${randomUUID()}.incomplete`;
    const unfinishedLink = `${link}.${randomUUID()}.incomplete`;
    await mkdir(dirname(blob), { recursive: true });
    await mkdir(dirname(link), { recursive: true });
    try {
      const hash = createHash('sha256');
      let received = 0;
      const measured = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
        for await (const chunk of chunks) {
          hash.update(chunk);
          received += chunk.byteLength;
          yield chunk;
        }
      };
      // The web's and Node's types of the same stream differ in name only.
      const source = Readable.fromWeb(content as NodeReadableStream);
      await pipeline(source, measured, createWriteStream(unfinished, { flags: 'wx' }));
      if (received !== size) throw new Error(`the connection ended after ${received} of ${size} bytes`);
      if (/^[0-9a-f]{64}$/.test(name) && hash.digest('hex') !== name) {
        throw new Error(`the content of ${file} is not what its SHA-256 says`);
      }
      await rename(unfinished, blob);
      // Windows allows links to administrators only; a copy serves as well.
      await symlink(relative(dirname(link), blob), unfinishedLink).catch(() => copyFile(blob, unfinishedLink));
      await rename(unfinishedLink, link);
    } finally {
      await rm(unfinished, { force: true });
      await rm(unfinishedLink, { force: true });
    }
  }
}

function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}
