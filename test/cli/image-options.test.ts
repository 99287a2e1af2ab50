/** What a command line says of images reaches the source that it opens. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { resolveFolder } from '../../src/cli/image-options.ts';
import { resolveImages } from '../../src/cli/shown-images.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-options-'));
  writeFileSync(join(directory, 'a.jpg'), 'not opened here');
  writeFileSync(join(directory, 'b.jpg'), 'not opened here');
});
afterEach(() => rmSync(directory, { recursive: true }));

test('decoder, orientation and limit', async () => {
  const decoding = { decoder: 'exact', ignoreOrientation: true } as const;
  const expected = await (await openImageFolder(directory, decoding)).identity();
  const source = await resolveFolder(directory, { decoder: 'exact', 'ignore-orientation': true, limit: '1' });
  expect(source.images.length).toBe(1);
  expect(await source.identity()).toBe(expected);
  expect(await (await resolveFolder(directory, {})).identity()).not.toBe(expected);
  const shown = await resolveImages([directory], 8, decoding);
  expect(await shown.folder.identity()).toBe(expected);
  const named = await resolveImages([join(directory, 'a.jpg')], 8, decoding);
  expect(await named.folder.identity()).toContain('orientation ignored');
});
