/** Photos that were not turned: the model card says so, for what it recommends turns them. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compress } from '../../src/compress/compress.ts';
import { openImages } from '../../src/data/open-images.ts';
import { smallOptions } from './small.ts';

it('photos that were left lying are told of in the model card, once, and not where they were turned', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'diffrate-lying-'));
  try {
    const options = await smallOptions(folder);
    for (const ignoreOrientation of [true, false]) {
      const images = await openImages(join(folder, 'images'), { ignoreOrientation });
      const directory = join(folder, `out-${ignoreOrientation}`);
      await compress({ ...options, images, directory });
      const card = await readFile(join(directory, 'README.md'), 'utf8');
      expect(card.split('Photos were left lying').length - 1).toBe(ignoreOrientation ? 1 : 0);
      const schedule = await readFile(join(directory, 'schedule.json'), 'utf8');
      expect(schedule.includes('(photos not turned)')).toBe(ignoreOrientation);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
