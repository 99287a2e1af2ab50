/**
 * Where something is written before it is renamed to its place: a name beside it (or in it) that
 * says whose it is, `.NAME.PID-BEGAN-HOST.RANDOM.partial`. What processes left that are gone is
 * removed by the next one that writes the same place.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive, ownProcess } from './running-process.ts';
import type { ProcessIdentity } from './running-process.ts';

const suffix = '.partial';

/**
 * Where files that are replaced lie in such a place, until all is done. One that still has some is
 * never removed: they are the only ones.
 */
export const replacedName = '.replaced';

/** Nobody writes for so long, in ms: what another host left untouched is left over. */
const longest = 24 * 3600 * 1000;

/** Hosts' names are shortened to what a file's name can hold. */
const shortHost = ({ host }: ProcessIdentity): string => createHash('sha256').update(host).digest('hex').slice(0, 8);

/**
 * A path that no other process and no other call has.
 * @param folder that it is in.
 * @param name of what it becomes; empty in the folder itself.
 */
export function temporaryPlace(folder: string, name: string): string {
  const own = ownProcess();
  const owner = `${own.pid}-${Math.round(own.began)}-${shortHost(own)}`;
  return join(folder, `${prefixOf(name)}${owner}.${randomBytes(4).toString('hex')}${suffix}`);
}

const prefixOf = (name: string): string => (name === '' ? '.' : `.${name}.`);

/** Removes what processes left there that are gone; of those that are there nothing. */
export async function sweepTemporaries(folder: string, name: string): Promise<void> {
  const prefix = prefixOf(name);
  for (const entry of await readdir(folder).catch(() => [])) {
    if (!entry.startsWith(prefix) || !entry.endsWith(suffix)) continue;
    const path = join(folder, entry);
    if ((await isLeftOver(entry.slice(prefix.length, -suffix.length), path)) && !(await holdsReplaced(path)))
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function holdsReplaced(path: string): Promise<boolean> {
  return (await readdir(join(path, replacedName)).catch(() => [])).length > 0;
}

/** @param owner the part of its name that says whose it is. */
async function isLeftOver(owner: string, path: string): Promise<boolean> {
  const own = ownProcess();
  // Before version 0.3 it was the process's id alone.
  if (/^\d+$/.test(owner)) return !isAlive({ ...own, began: 0, pid: Number(owner) }, own);
  const [, pid, began, host] = /^(\d+)-(\d+)-([0-9a-f]{8})\.[0-9a-f]{8}$/.exec(owner) ?? [];
  if (pid === undefined) return false;
  if (host === shortHost(own)) return !isAlive({ ...own, began: Number(began), pid: Number(pid) }, own);
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > longest;
}
