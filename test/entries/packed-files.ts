/** What `npm pack` puts into the package, and which packages come with it when it is installed. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Paths of the packed files, as they lie in this folder. */
export async function packedFiles(): Promise<string[]> {
  const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts']);
  const [packed] = Object.values(JSON.parse(stdout) as Record<string, Packed> | Packed[]);
  return (packed as Packed).files.map(({ path }) => path);
}

interface Packed {
  readonly files: readonly { readonly path: string }[];
}

/** Names of the packages that the lock file installs for users, as far as this machine has them. */
export async function runtimeDependencies(): Promise<string[]> {
  const { packages } = JSON.parse(await readFile('package-lock.json', 'utf8')) as LockFile;
  return Object.entries(packages)
    .filter(([path, { dev, devOptional }]) => !dev && !devOptional && existsSync(path))
    .map(([path]) => path.replace(/^node_modules\//, ''))
    .filter((name) => name !== '' && !name.includes('/node_modules/'));
}

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly devOptional?: boolean }>>;
}
