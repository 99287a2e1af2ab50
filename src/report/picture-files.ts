/** Pictures of patches as files: per image a strip of all and one picture per block. */
import { basename } from 'node:path';
import type { FolderFile } from '../files/staged-folder.ts';
import { encodePng, pictureStrip } from './picture-series.ts';
import type { PictureSeries } from './picture-series.ts';

/** The files of one image. */
export interface PictureFiles {
  /** The image, as its series calls it. */
  readonly file: string;
  readonly files: readonly FolderFile[];
}

/**
 * Encodes the files: `NAME-tokens.png` (the input and all blocks side by side) and
 * `NAME-block-4.png`, named after the image. Images of the same name in different folders are
 * numbered.
 */
export async function pictureFiles(all: readonly PictureSeries[]): Promise<PictureFiles[]> {
  const taken = new Set<string>();
  const results: PictureFiles[] = [];
  for (const series of all) {
    const stem = freeName(stemOf(series.file), taken);
    const files = [await pngFile(`${stem}-tokens.png`, encodePng(pictureStrip(series)))];
    for (const { block, picture } of series.blocks) {
      files.push(await pngFile(`${stem}-block-${block}.png`, encodePng(picture)));
    }
    results.push({ file: series.file, files });
  }
  return results;
}

const pngFile = async (path: string, bytes: Promise<Uint8Array>): Promise<FolderFile> => ({
  path,
  content: [await bytes],
});

/** A file name without its extension, of characters that every file system takes. */
function stemOf(file: string): string {
  const stem = basename(file)
    .replace(/\.[a-z]{3,4}$/i, '')
    .replace(/[^\p{L}\p{N}._-]+/gu, '-')
    .replace(/^[.-]+/, '');
  return stem === '' ? 'image' : stem;
}

function freeName(stem: string, taken: Set<string>): string {
  let name = stem;
  for (let number = 2; taken.has(name.toLowerCase()); number++) name = `${stem}-${number}`;
  taken.add(name.toLowerCase());
  return name;
}
