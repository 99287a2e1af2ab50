/** Folders of generated PNG images. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { RandomGenerator } from '../../src/data/random.ts';

/**
 * Writes `count` images of coarse random colours, `000.png` and so on.
 * @param labels written to `labels.csv` where given
 */
export async function writeRandomImages(directory: string, count: number, labels?: readonly number[]): Promise<void> {
  mkdirSync(directory, { recursive: true });
  for (let index = 0; index < count; index++) {
    const random = new RandomGenerator(index);
    const side = 6;
    const data = Buffer.from(Array.from({ length: side * side * 3 }, () => random.integer(256)));
    const image = sharp(data, { raw: { width: side, height: side, channels: 3 } }).resize(40 + random.integer(20), 48, {
      kernel: 'cubic',
      fit: 'fill',
    });
    writeFileSync(join(directory, imageName(index)), await image.png().toBuffer());
  }
  if (labels === undefined) return;
  const lines = labels.map((label, index) => `${imageName(index)},${label}`);
  writeFileSync(join(directory, 'labels.csv'), ['file,label', ...lines].join('\n'));
}

/** Name of the image at a position. */
export function imageName(index: number): string {
  return `${String(index).padStart(3, '0')}.png`;
}
