/**
 * Images that cannot be decoded: several phases may read a folder, and each such image is told of
 * and listed once.
 */
import { printable } from '../errors.ts';
import type { SkippedImage } from './batches.ts';

/** Passes each warning on the first time. */
export function onceEach(onWarning: (message: string) => void = () => {}): (message: string) => void {
  const told = new Set<string>();
  return (message) => {
    if (told.has(message)) return;
    told.add(message);
    onWarning(printable(message));
  };
}

/** The images in their order, each file once. */
export function distinctImages(skipped: readonly SkippedImage[]): SkippedImage[] {
  return [...new Map(skipped.map((image) => [image.file, image])).values()];
}
