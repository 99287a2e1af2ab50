/** Images that have files of their own, as a source: what a folder or a list of paths becomes. */
import { resolve } from 'node:path';
import { decodeImageFile } from './decode.ts';
import { openFolderReader } from './folder-reader.ts';
import type { ImageSource, SourceImage } from './image-source.ts';

/**
 * A source of image files.
 * @param directory absolute path, below which the files are.
 * @param images their paths relative to it.
 * @param classes names of the classes that labels count.
 */
export function imageFiles(
  directory: string,
  images: readonly SourceImage[],
  classes?: readonly string[],
): ImageSource {
  const pathOf = ({ file }: SourceImage): string => resolve(directory, file);
  return {
    name: directory,
    images,
    labelled: images.every(({ label }) => label !== undefined),
    ...(classes && { classes }),
    identity: () => Promise.resolve(directory),
    open: (options) => openFolderReader({ sourceOf: pathOf }, options),
    decode: (image, decoder) => decodeImageFile(pathOf(image), decoder),
    keyOf: pathOf,
  };
}
