/** The version of this package. */
import { readFile } from 'node:fs/promises';

/** As `package.json` says it. */
export async function packageVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return String((JSON.parse(text) as { version?: unknown }).version);
}
