/** Folders of files that are not opened, for tests of what a folder says. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { openImageFolder } from '../../../src/data/open-image-folder.ts';
import type { OpenImageFolderOptions } from '../../../src/data/open-image-folder.ts';
import type { ImageSource } from '../../../src/data/image-source.ts';
import { resolveLabels } from '../../../src/data/labels/resolve-labels.ts';
import type { NetworkClasses } from '../../../src/data/labels/network-classes.ts';
import { DiffrateError } from '../../../src/errors.ts';

/** Class names of Fashion-MNIST, some of which no file system holds. */
export const clothes: NetworkClasses = {
  count: 10,
  names: {
    0: 'T-shirt/top',
    1: 'Trouser',
    2: 'Pullover',
    3: 'Dress',
    4: 'Coat',
    5: 'Sandal',
    6: 'Shirt',
    7: 'Sneaker',
    8: 'Bag',
    9: 'Ankle boot',
  },
};

/** A temporary folder with such files. */
export interface ImageTree {
  readonly root: string;
  /** Adds files; what they hold is not opened here. */
  readonly put: (...files: readonly string[]) => void;
  readonly write: (file: string, content: string | Uint8Array) => void;
  readonly remove: () => void;
}

/** Makes one. */
export function imageTree(): ImageTree {
  const root = mkdtempSync(join(tmpdir(), 'diffrate-labels-'));
  const write = (file: string, content: string | Uint8Array): void => {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), content);
  };
  return {
    root,
    write,
    put: (...files) => files.forEach((file) => write(file, 'not opened here')),
    remove: () => rmSync(root, { recursive: true }),
  };
}

/** What a network makes of a folder. */
export interface Resolved {
  readonly source: ImageSource;
  readonly labels: Readonly<Record<string, number | undefined>>;
  readonly warnings: readonly string[];
}

/** Opens a folder and resolves its labels. */
export async function resolved(
  folder: string,
  classes: NetworkClasses = clothes,
  options: OpenImageFolderOptions = {},
): Promise<Resolved> {
  const warnings: string[] = [];
  const told = { ...options, onWarning: (message: string) => warnings.push(message) };
  const source = resolveLabels(await openImageFolder(folder, told), classes, told);
  for (const warning of warnings) expect(warning).toMatch(/^[^\n]+\.$/);
  return { source, labels: Object.fromEntries(source.images.map(({ file, label }) => [file, label])), warnings };
}

/** The one sentence of a refusal. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DiffrateError);
  const message = error instanceof Error ? error.message : '';
  expect(message).toMatch(/^[^\n]+\.$/);
  return message;
}
