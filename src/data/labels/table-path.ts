/** Paths as tables write them: those of Windows are paths, too. */

/** A path with `/`, without `.` and what `..` takes back. */
export function tidyPath(path: string): string {
  const parts: string[] = [];
  const slashed = path.replaceAll('\\', '/');
  for (const part of slashed.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else parts.push(part);
  }
  return `${slashed.startsWith('/') ? '/' : ''}${parts.join('/')}`;
}

/** The last part of a path. */
export const basename = (path: string): string => path.split(/[/\\]/).at(-1) ?? path;
