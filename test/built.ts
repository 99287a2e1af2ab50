/** Whether `dist` is there and newer than the sources. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

const main = resolve('dist/cli/main.js');

function newest(directory: string): number {
  const times = readdirSync(directory, { withFileTypes: true }).map((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? newest(path) : statSync(path).mtimeMs;
  });
  return Math.max(0, ...times);
}

/** Whether the build is that of the present sources. */
export function isBuilt(): boolean {
  return existsSync(main) && statSync(main).mtimeMs > newest(resolve('src'));
}
