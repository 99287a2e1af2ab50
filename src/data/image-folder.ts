/** A list of images with their labels, wherever their pixels are. `open-image-folder.ts` finds them on disk. */

import { DiffrateError } from '../errors.ts';
import type { GreyImages } from './grey-images.ts';

/** One image. */
export interface FolderImage {
  /** Path relative to the folder, with `/`; of an IDX file's image, that file's name, `#` and a number from 0. */
  readonly file: string;
  /** Class index, where the folder is labelled. */
  readonly label?: number;
  /** Place in the folder's `pixels`, where it has those. */
  readonly position?: number;
}

/** What a folder holds. */
export interface ImageFolder {
  /** Absolute path, of the IDX file where it is one. */
  readonly directory: string;
  /** In the order of `labels.csv` or of the IDX file, or sorted by class and name. */
  readonly images: readonly FolderImage[];
  readonly labelled: boolean;
  /** Names of the class sub-folders, where the labels come from those. */
  readonly classes?: readonly string[];
  /** Pixels of all images of an IDX file; images that have files of their own are read when they are needed. */
  readonly pixels?: GreyImages;
}

/**
 * Checks that a model has a class for every label. Unlabelled folders and models without a head (0 classes) pass.
 * @throws DiffrateError naming the first image whose label is out of range.
 */
export function checkLabels(folder: ImageFolder, classes: number): void {
  if (classes === 0) return;
  const wrong = folder.images.find((image) => image.label !== undefined && image.label >= classes);
  if (wrong) {
    throw new DiffrateError(
      `The label ${wrong.label} of '${wrong.file}' in '${folder.directory}' is out of range: ` +
        `the model has ${classes} classes, 0 to ${classes - 1}.`,
    );
  }
}
