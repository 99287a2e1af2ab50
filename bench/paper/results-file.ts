/**
 * `docs/results.md`: sections are only ever added at its end, and the file is written beside and
 * renamed.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DiffrateError, messageOf } from '../../src/errors.ts';
import { resultSection } from './paper-result.ts';
import type { PaperResult } from './paper-result.ts';

/** What a new file begins with. */
export const introduction = `# Results

This page has what the scripts of \`bench/paper\` printed, one section per run, in order.
Each repeats a table or a figure of the DiffRate paper (arXiv 2305.17997), with the paper's figures beside ours.
A figure that is not known here says so.
\`npm run paper\` lists the scripts.
Look at KL first (in nats, against the uncompressed network).
On some hundred images one image more or less is a large step of top-1.
`;

/** The text with one section more; nothing of what was there changes. */
export function withSection(text: string, section: string): string {
  const before = text.trim() === '' ? introduction : text;
  return `${before.replace(/\n*$/, '\n')}\n${section}`;
}

/**
 * Adds a result to the file, which is made where there is none.
 * @throws DiffrateError if it cannot be read or written; it is then as it was
 */
export async function appendResult(path: string, result: PaperResult): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${process.pid}.partial`);
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(beside, withSection(await textOf(path), resultSection(result)));
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw new DiffrateError(
      `The results ${path} cannot be written (${messageOf(error)}): name another file with --results.`,
    );
  }
}

/** Empty where there is no such file. */
async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}
